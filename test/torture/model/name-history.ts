import type { NameChange, Names } from './names.ts';

interface Pending {
  readonly change: NameChange;
  /** Acknowledged by a barrier; else it may have happened or not. */
  isDurable: boolean;
}

/** Beyond this many changes in doubt at once nobody could tell what may be there. */
const maxInDoubt = 10;

/**
 * The names that may be there. `durable` is what acknowledged barriers promised; of the changes since, those that no
 * barrier covers may have happened or not, each by itself, in their order.
 */
export class NameHistory {
  #durable: Names = new Map();
  #latest: Names = new Map();
  #pending: Pending[] = [];

  /** As the client sees it when all that was acknowledged has happened, and nothing else. */
  get latest(): Names {
    return this.#latest;
  }

  get isSettled(): boolean {
    return this.#pending.length === 0;
  }

  get inDoubt(): number {
    return this.#pending.filter(({ isDurable }) => !isDurable).length;
  }

  get isCrowded(): boolean {
    return this.inDoubt >= maxInDoubt;
  }

  /** A change that was acknowledged as durable. */
  acknowledged(change: NameChange): void {
    this.#happened({ change, isDurable: true });
  }

  /**
   * A change that was answered with success but is not durable yet: a file that OPEN made.
   * @returns what to call when a barrier has made it durable
   */
  answered(change: NameChange): () => void {
    const pending = { change, isDurable: false };
    this.#happened(pending);
    return () => {
      pending.isDurable = true;
      this.#collapse();
    };
  }

  /** A change that was not answered. The client goes on as if it had not happened, and must settle before it relies on it. */
  doubtful(change: NameChange): void {
    this.#pending.push({ change, isDurable: false });
  }

  #happened(pending: Pending): void {
    const after = pending.change(this.#latest);
    if (after === null) throw new Error('a change that the model has as impossible was acknowledged');
    this.#latest = after;
    this.#pending.push(pending);
    this.#collapse();
  }

  #collapse(): void {
    if (this.#pending.every(({ isDurable }) => isDurable)) this.adopt(this.#latest);
  }

  /** Each set of names that may be there. */
  get candidates(): Names[] {
    let candidates: Names[] = [this.#durable];
    for (const { change, isDurable } of this.#pending) {
      const after = candidates.map(change).filter((names) => names !== null);
      candidates = unique(isDurable ? after : [...candidates, ...after]);
    }
    return candidates;
  }

  /** What was seen, and then made durable by an acknowledged barrier in the same session. */
  adopt(names: Names): void {
    this.#durable = names;
    this.#latest = names;
    this.#pending = [];
  }
}

function unique(candidates: readonly Names[]): Names[] {
  return [...new Set(candidates)];
}
