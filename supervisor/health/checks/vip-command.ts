import { commandFileProblem } from '../../config/command-file.ts';
import type { HealthFact } from '../../runtime/ports.ts';

/** Whether the executable that moves an address may be run. */
export async function vipCommandFact(file: string): Promise<HealthFact> {
  const name = `command ${file}`;
  const problem = await commandFileProblem(file);
  if (problem === null) return { name, level: 'ok', code: '', detail: 'may be run' };
  return { name, level: 'bad', code: 'VIP_COMMAND_UNUSABLE', detail: `${file} ${problem.what}` };
}
