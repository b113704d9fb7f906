import { HoldfastError } from '#contracts/errors.ts';
import type { CommandOptions, CommandResult, StartedCommand } from './command.ts';

/** Time for more urgent work after one was used, before the next is started. */
const restMs = 100;

/**
 * Keeps a command started that waits for its input: starting it takes longer than all that it does, an outage waits for
 * it, and a host that is short of memory may not be able to start one at all.
 */
export class ReadyCommand {
  readonly #start: () => StartedCommand;
  #ready: StartedCommand | null = null;

  constructor(start: () => StartedCommand) {
    this.#start = start;
  }

  /** @throws HoldfastError COMMAND_MISSING */
  run(options: Omit<CommandOptions, 'env'>): Promise<CommandResult> {
    const command = this.#ready?.isWaiting === true ? this.#ready : this.#start();
    this.#ready = null;
    setTimeout(() => this.#keepOne(), restMs).unref();
    return command.run(options);
  }

  #keepOne(): void {
    if (this.#ready?.isWaiting) return;
    try {
      this.#ready = this.#start();
    } catch (error) {
      // Whoever needs it is told.
      if (!(error instanceof HoldfastError)) throw error;
    }
  }
}
