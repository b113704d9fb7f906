import { afterFullPoll } from '#contracts/lateness.ts';

const checkEveryMs = 250;
const beatEveryMs = 1000;
/** Three beats that did not come, and some more. */
const silentMs = 3500;

export interface HeartbeatOptions {
  /** Attended time: nobody is late while this process is. */
  readonly now: () => number;
  /** Says that this side lives. */
  readonly beat: () => void;
  /** The other side said nothing for so long, and what lay unread has been read. */
  readonly onSilent: (forMs: number) => void;
}

/**
 * Whether the two ends of a channel live. Each says so every second, asked or not: one that does not read for a while,
 * since it has enough to do, lives all the same. Whatever comes counts; while nothing is read nobody is judged.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #checking: NodeJS.Timeout;
  #beatAtMs: number;
  /** When something came last; null: nothing is read. */
  #heardAtMs: number | null = null;
  #cancelJudgement: (() => void) | null = null;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#beatAtMs = options.now();
    this.#checking = setInterval(() => this.#check(), checkEveryMs);
  }

  /** Something came, or is waited for from now on. */
  listening(): void {
    this.#heardAtMs = this.#options.now();
  }

  /** Nothing is read until `listening`. */
  deaf(): void {
    this.#heardAtMs = null;
  }

  stop(): void {
    clearInterval(this.#checking);
    this.#cancelJudgement?.();
  }

  #check(): void {
    const atMs = this.#options.now();
    if (atMs - this.#beatAtMs >= beatEveryMs) {
      this.#beatAtMs = atMs;
      this.#options.beat();
    }
    if (this.#silence() < silentMs) return;
    this.#cancelJudgement ??= afterFullPoll(() => {
      this.#cancelJudgement = null;
      const forMs = this.#silence();
      if (forMs >= silentMs) this.#options.onSilent(forMs);
    });
  }

  #silence(): number {
    return this.#heardAtMs === null ? 0 : this.#options.now() - this.#heardAtMs;
  }
}
