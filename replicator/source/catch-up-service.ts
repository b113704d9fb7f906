import type { Operation } from '#contracts/journal/operation.ts';
import { toKey } from '../tree/path.ts';
import { DirtyPaths } from './dirty-paths.ts';
import type { FollowerChannel, Leadership } from './leadership.ts';

const roundsBeforeHold = 5;
const smallPaths = 100;
const smallBytes = 8 * 1024 * 1024;
const firstHoldMs = 1000;
const longestHoldMs = 8000;

/**
 * The leader's side of a catch-up. The follower asks for rounds and for what it lacks; here is noted what changes
 * meanwhile, which makes the next round. The last round runs while nothing mutates, so that the follower is then at
 * one exact place of the stream. A last round that takes too long is given up (mutations go on) and tried again with
 * more time.
 */
export class CatchUpService {
  readonly #channel: FollowerChannel;
  readonly #leadership: Leadership;
  readonly #onComplete: (sequence: number) => void;
  #dirty = new DirtyPaths();
  #rounds = 0;
  #holdMs = firstHoldMs;
  #onFinished: (() => void) | null = null;
  /** Rises with each restart; what belongs to an older one is over. */
  #run = 0;

  constructor(channel: FollowerChannel, leadership: Leadership, onComplete: (sequence: number) => void) {
    this.#channel = channel;
    this.#leadership = leadership;
    this.#onComplete = onComplete;
  }

  note(operation: Operation): void {
    this.#dirty.note(operation, this.#leadership.handles);
  }

  restart(): void {
    this.#dirty = new DirtyPaths();
    this.#rounds = 0;
    this.#run += 1;
    this.#onFinished?.();
  }

  /** The follower has done the round before, if there was one. */
  onNextRound(stream: string): void {
    // Sent before the follower heard of a restart: it speaks of the rounds before.
    if (stream !== this.#leadership.stream) return;
    if (this.#onFinished !== null) this.#onFinished();
    else if (this.#rounds > 0 && this.#isSmall()) this.#lastRound();
    else this.#sendRound();
  }

  #isSmall(): boolean {
    if (this.#rounds >= roundsBeforeHold) return true;
    return this.#dirty.count <= smallPaths && this.#dirty.bytes <= smallBytes;
  }

  #sendRound(): void {
    const { epoch } = this.#leadership;
    const first = this.#rounds === 0;
    this.#rounds += 1;
    const dirty = this.#dirty.drain();
    this.#channel.send({
      type: 'round',
      epoch,
      first,
      dirty: first ? [{ path: '', ranges: null }] : dirty,
      final: null,
    });
  }

  #lastRound(): void {
    const run = this.#run;
    const { epoch, hold, log } = this.#leadership;
    this.#rounds += 1;
    const round = hold.during(this.#holdMs, async ({ sequence, handles }, signal) => {
      if (run !== this.#run || this.#channel.closed.aborted) return true;
      const final = {
        sequence,
        handles: handles.map(({ handle, path }) => ({ handle, path: toKey(path) })),
      };
      this.#channel.send({ type: 'round', epoch, first: false, dirty: this.#dirty.drain(), final });
      if (!(await this.#finished(signal))) return false;
      if (run !== this.#run) return true;
      if (signal.aborted) this.#sendRound();
      else this.#complete(sequence);
      return true;
    });
    round.then(
      (done) => {
        if (done === true || run !== this.#run || this.#channel.closed.aborted) return;
        this.#holdMs = Math.min(this.#holdMs * 2, longestHoldMs);
        log.info({ holdMs: this.#holdMs }, 'the last round of a catch-up took too long; writes went on');
        // No hold was had at all: the follower still waits for its round.
        if (done === null) this.#sendRound();
      },
      (error: unknown) => this.#channel.close(String(error)),
    );
  }

  #complete(sequence: number): void {
    const { epoch, stream } = this.#leadership;
    this.#channel.send({ type: 'stream', epoch, stream, sequence });
    this.#onComplete(sequence);
  }

  /** Whether the follower said that it is done before the hold or the connection ended. */
  async #finished(signal: AbortSignal): Promise<boolean> {
    const over = AbortSignal.any([signal, this.#channel.closed]);
    try {
      return await new Promise<boolean>((resolve) => {
        if (over.aborted) resolve(false);
        over.addEventListener('abort', () => resolve(false), { once: true });
        this.#onFinished = () => resolve(true);
      });
    } finally {
      this.#onFinished = null;
    }
  }
}
