import { hostname, userInfo } from 'node:os';
import { createInterface } from 'node:readline/promises';
import { HoldfastError } from '#contracts/errors.ts';

/** Who runs this command, for the history: `alice on host-a`, by the login and not by what sudo made of it. */
export function whoAsks(): string {
  const name = process.env.SUDO_USER ?? userInfo().username;
  return `${name} on ${hostname()}`.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 128);
}

/** Whether a person says yes. @throws HoldfastError REQUEST_INVALID where nobody can be asked */
export async function agrees(text: string, json: boolean | undefined): Promise<boolean> {
  return /^y(es)?$/i.test(await question(`${text} [y/N] `, '--yes', json));
}

/**
 * Asks a person. With `--json` nobody was shown what is asked about.
 * @throws HoldfastError REQUEST_INVALID where nobody can be asked
 */
export async function question(text: string, insteadOf: string, json: boolean | undefined): Promise<string> {
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
