import { once } from 'node:events';
import { messageOf } from '#contracts/errors.ts';
import type { Operation } from '#contracts/journal/operation.ts';
import { fromKey } from '../tree/path.ts';
import { DirtyPaths } from './dirty-paths.ts';
import type { Follower, FollowerChannel, Leadership } from './leadership.ts';

const repairHoldMs = 2000;

/**
 * The leader's side of a full comparison with one follower. The follower compares, and prepares what it would put in
 * place; under a short hold the leader tells which of these paths nobody touched meanwhile, and only they are
 * repaired.
 */
export class ScrubService {
  readonly #session: Follower;
  readonly #channel: FollowerChannel;
  readonly #leadership: Leadership;
  /** Set while a comparison runs: what was touched since its begin. */
  #touched: DirtyPaths | null = null;
  #onRepaired: (() => void) | null = null;

  constructor(session: Follower, channel: FollowerChannel, leadership: Leadership) {
    this.#session = session;
    this.#channel = channel;
    this.#leadership = leadership;
  }

  begin(): void {
    if (this.#touched !== null) return;
    this.#touched = new DirtyPaths();
    const { epoch, window } = this.#leadership;
    // What was received before is applied there before it compares, else it would see differences that are none.
    this.#session.flush(window.last, this.#channel.closed).then(
      () => this.#channel.send({ type: 'scrub', epoch }),
      () => this.cancel(),
    );
  }

  cancel(): void {
    this.#touched = null;
  }

  note(operation: Operation): void {
    this.#touched?.note(operation, this.#leadership.handles);
  }

  onSuspects(paths: readonly string[]): void {
    const { epoch, hold, log } = this.#leadership;
    const allow = (quiet: string[]) => this.#channel.send({ type: 'scrub-repair', epoch, paths: quiet });
    hold
      .during(repairHoldMs, async ({ sequence }, signal) => {
        await this.#session.flush(sequence, signal);
        allow(paths.filter((path) => this.#isQuiet(fromKey(path))));
        await this.#repaired(signal);
        return true;
      })
      .then(
        (done) => {
          if (done === null) allow([]);
        },
        (error: unknown) => {
          log.warn({ peer: this.#session.nodeId, reason: messageOf(error) }, 'a repair was put off');
          allow([]);
        },
      );
  }

  onRepaired(): void {
    this.#onRepaired?.();
  }

  onResult(result: { differences: number; repaired: number }): void {
    if (this.#touched === null) return;
    this.cancel();
    this.#leadership.onScrubbed(result);
  }

  #isQuiet(path: Buffer): boolean {
    return this.#touched?.touches(path) === false && !this.#leadership.handles.isOpen(path);
  }

  async #repaired(signal: AbortSignal): Promise<void> {
    const over = AbortSignal.any([signal, this.#channel.closed]);
    const repaired = new Promise<void>((resolve) => {
      this.#onRepaired = resolve;
    });
    await Promise.race([repaired, over.aborted ? undefined : once(over, 'abort')]);
  }
}
