import { HoldfastError, messageOf } from '#contracts/errors.ts';
import type { Logger } from '#contracts/log.ts';
import type { PositionStore } from './position-store.ts';
import type { Roots } from './roots.ts';

const everyMs = 5000;

/** Brings to disk, now and then and when it matters, what this host holds: its position, and the records of its roots. */
export class Holdings {
  readonly #positions: PositionStore;
  readonly #roots: Roots;
  readonly #log: Logger;
  readonly #onChanged: () => void;
  #admissionProblem = '';

  constructor(positions: PositionStore, roots: Roots, log: Logger, onChanged: () => void) {
    this.#positions = positions;
    this.#roots = roots;
    this.#log = log;
    this.#onChanged = onChanged;
    setInterval(() => void this.#save(), everyMs).unref();
  }

  savePosition(): void {
    try {
      this.#positions.save();
    } catch (error) {
      this.#log.error({ err: error }, 'the position could not be saved');
    }
  }

  /** What this host holds has been compared in full, or counts from now on by an operator's word. */
  async admit(replaces: string, at: number): Promise<void> {
    this.savePosition();
    try {
      await this.#roots.admit(replaces, at, this.#positions.position);
      this.#admissionProblem = '';
    } catch (error) {
      const problem = messageOf(error);
      // It is asked for again and again.
      if (problem !== this.#admissionProblem) {
        this.#log.error({ err: error }, `the roots could not be given their identity: ${problem}`);
      }
      this.#admissionProblem = problem;
    }
  }

  async #save(): Promise<void> {
    this.savePosition();
    try {
      await this.#roots.refresh(this.#positions.position);
      this.#onChanged();
    } catch (error) {
      if (!(error instanceof HoldfastError && error.code === 'ROOT_EMPTY')) {
        this.#log.error({ err: error }, `the records of the roots could not be written: ${messageOf(error)}`);
        return;
      }
      // Nothing that this process knows of its roots is true any more: it begins anew, as a newcomer.
      this.#log.fatal({ code: error.code }, error.message);
      setImmediate(() => {
        throw error;
      });
    }
  }
}
