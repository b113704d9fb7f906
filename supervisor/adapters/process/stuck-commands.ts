import { HoldfastError } from '#contracts/errors.ts';

/** More of one command are not started while so many that were killed have not ended. */
const limit = 4;

/**
 * Commands that were killed and have not ended: the kernel holds them, and SIGKILL waits. What needs such a command
 * tries again and again, so that without a bound they would fill the host.
 */
export class StuckCommands {
  readonly #count = new Map<string, number>();

  /** Until `end` settles. */
  add(name: string, end: Promise<unknown>): void {
    this.#change(name, 1);
    const remove = () => this.#change(name, -1);
    end.then(remove, remove);
  }

  /** @throws HoldfastError COMMAND_STUCK */
  refuseMore(name: string): void {
    const count = this.#count.get(name) ?? 0;
    if (count < limit) return;
    throw new HoldfastError(
      'COMMAND_STUCK',
      `${count} of "${name}" were killed and do not end; no more is started`,
    );
  }

  #change(name: string, by: number): void {
    this.#count.set(name, (this.#count.get(name) ?? 0) + by);
  }
}
