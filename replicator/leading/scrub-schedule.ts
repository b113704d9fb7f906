import { schedule } from 'node-cron';
import { messageOf } from '#contracts/errors.ts';
import type { Logger } from '#contracts/log.ts';
import { wallTime } from '../state/wall-clock.ts';

export interface ScrubResult {
  readonly differences: number;
  readonly repaired: number;
}

/** When full comparisons begin, and how the last one ended. */
export class ScrubSchedule {
  readonly #log: Logger;
  #last: (ScrubResult & { finishedAtWallMs: number }) | null = null;

  constructor(expression: string, log: Logger, begin: () => void) {
    this.#log = log;
    try {
      schedule(expression, begin, { name: 'scrub' });
    } catch (error) {
      log.error(
        { expression, reason: messageOf(error) },
        'the scrub schedule is not a cron expression: no scrubs',
      );
    }
  }

  get last() {
    return this.#last;
  }

  onResult({ differences, repaired }: ScrubResult): void {
    this.#last = { finishedAtWallMs: wallTime().getTime(), differences, repaired };
    this.#log.info({ differences, repaired }, 'the full comparison with a follower has ended');
  }
}
