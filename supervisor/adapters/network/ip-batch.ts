import { HoldfastError } from '#contracts/errors.ts';
import { type CommandResult, StartedCommand } from '../command.ts';

/** Time for more urgent work after one was used, before the next is started. */
const restMs = 100;

/** Runs lines of commands in one `ip`: all of them, also when one fails. */
export type RunIp = (lines: readonly string[], timeoutMs: number) => Promise<CommandResult>;

const start = () => new StartedCommand('ip', ['-j', '-force', '-batch', '-']);

const inputOf = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join('');

export const runIp: RunIp = (lines, timeoutMs) => start().run({ timeoutMs, input: inputOf(lines) });

/**
 * Keeps one `ip` started that waits for its lines: starting it takes longer than all that it does, an outage waits for
 * it, and a host that is short of memory may not be able to start one at all.
 */
export class ReadyIp {
  #ready: StartedCommand | null = null;

  readonly run: RunIp = (lines, timeoutMs) => {
    const command = this.#ready?.isWaiting === true ? this.#ready : start();
    this.#ready = null;
    setTimeout(() => this.#keepOne(), restMs).unref();
    return command.run({ timeoutMs, input: inputOf(lines) });
  };

  #keepOne(): void {
    if (this.#ready?.isWaiting) return;
    try {
      this.#ready = start();
    } catch (error) {
      // Whoever needs it is told.
      if (!(error instanceof HoldfastError)) throw error;
    }
  }
}
