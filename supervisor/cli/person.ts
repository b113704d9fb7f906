import { hostname, userInfo } from 'node:os';
import { createInterface } from 'node:readline/promises';
import { HoldfastError } from '#contracts/errors.ts';

/** Who runs this command, for the history: `alice on host-a`, by the login and not by what sudo made of it. */
export function whoAsks(): string {
  const name = process.env.SUDO_USER ?? userInfo().username;
  return `${name} on ${hostname()}`.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 128);
}

/** Whether a person says yes. @throws HoldfastError REQUEST_INVALID where nobody can be asked */
async function agrees(text: string, json: boolean | undefined): Promise<boolean> {
  return /^y(es)?$/i.test(await question(`${text} [y/N] `, '--yes', json));
}

/**
 * Has a person say yes, unless that was said ahead.
 * @throws HoldfastError OPERATION_CANCELLED; REQUEST_INVALID where nobody can be asked
 */
export async function mustAgree(
  text: string,
  { yes, json }: { readonly yes?: boolean | undefined; readonly json?: boolean | undefined },
): Promise<void> {
  if (yes !== true && !(await agrees(text, json))) throw notConfirmed();
}

/**
 * Has a person type the name of the cluster, for what may lose data.
 * @throws HoldfastError as `mustAgree`
 */
export async function mustRiskData(text: string, cluster: string, json: boolean | undefined): Promise<void> {
  const typed = await question(`${text}\nType the name of the cluster to go on: `, '--yes-lose-data', json);
  if (typed !== cluster) throw notConfirmed();
}

/**
 * Asks a person. With `--json` nobody was shown what is asked about.
 * @throws HoldfastError REQUEST_INVALID where nobody can be asked
 */
async function question(text: string, insteadOf: string, json: boolean | undefined): Promise<string> {
  if (!process.stdin.isTTY || json === true) {
    throw new HoldfastError('REQUEST_INVALID', `nobody is there to be asked: give ${insteadOf}`);
  }
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await lines.question(text)).trim();
  } finally {
    lines.close();
  }
}

function notConfirmed(): HoldfastError {
  return new HoldfastError('OPERATION_CANCELLED', 'not confirmed');
}
