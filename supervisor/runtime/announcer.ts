import { messageOf } from '#contracts/errors.ts';
import type { Epoch } from '#contracts/identities.ts';
import type { Logger } from '#contracts/log.ts';
import type { AnnouncementSchedule, Timers, VirtualIps } from './ports.ts';

/** After the first: once more when switches and clients that were busy listen again, then against forgetting. */
const repeatAfterMs = [1000, 3000];
const repeatEveryMs = 30_000;

/** Announces the virtual IPs for as long as this host has them: one lost or ignored packet must not decide. */
export class Announcer implements AnnouncementSchedule {
  readonly #vips: VirtualIps;
  readonly #log: Logger;
  readonly #timers: Timers;
  #scheduled: (() => void)[] = [];

  constructor(vips: VirtualIps, timers: Timers, log: Logger) {
    this.#timers = timers;
    this.#vips = vips;
    this.#log = log;
  }

  /** The first announcement, whose failure is the caller's, and the schedule of the later ones. */
  async start(epoch: Epoch): Promise<void> {
    this.stop();
    await this.#vips.announce();
    const again = () => {
      this.#vips
        .announce()
        .catch((error) =>
          this.#log.warn({ code: 'ANNOUNCE_FAILED', epoch, reason: messageOf(error) }, 'not announced'),
        );
    };
    this.#scheduled = repeatAfterMs.map((afterMs) => this.#timers.after(afterMs, again));
    this.#scheduled.push(this.#timers.every(repeatEveryMs, again));
  }

  stop(): void {
    for (const callOff of this.#scheduled) callOff();
    this.#scheduled = [];
  }
}
