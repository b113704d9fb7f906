import { type CommandResult, StartedCommand } from '../../process/command.ts';
import { ReadyCommand } from '../../process/ready-command.ts';

/** Runs lines of commands in one `ip`: all of them, also when one fails. */
export type RunIp = (lines: readonly string[], timeoutMs: number) => Promise<CommandResult>;

const batch = ['-j', '-force', '-batch', '-'];

const inputOf = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join('');

export const runIp: RunIp = (lines, timeoutMs) =>
  new StartedCommand('ip', batch).run({ timeoutMs, input: inputOf(lines) });

/** `ip` that is started already: for lines that may be run at any time, and for those that may not. */
export class ReadyIp {
  readonly #anyTime = new ReadyCommand(() => new StartedCommand('ip', batch));
  readonly #inTime = new ReadyCommand(() => new StartedCommand('ip', batch, { hasDeadline: true }));

  readonly run: RunIp = (lines, timeoutMs) => this.#anyTime.run({ timeoutMs, input: inputOf(lines) });

  /** Nothing is done after `deadlineMs`, in boot time, whatever is frozen on the way. */
  runBefore(deadlineMs: number, lines: readonly string[], timeoutMs: number): Promise<CommandResult> {
    return this.#inTime.run({ timeoutMs, deadlineMs, input: inputOf(lines) });
  }
}
