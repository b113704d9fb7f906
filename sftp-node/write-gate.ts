import { bootTimeMs } from '#contracts/boot-time.ts';
import type { Epoch } from '#contracts/identities.ts';
import type { GatePermit } from '#contracts/write-gate.ts';

/**
 * Whether this process may acknowledge changes (G1). Shut until the supervisor opens it, and again by itself when the
 * permit ends: the check is by boot time, which goes on while a process is frozen or a machine suspended. It is read
 * anew for each check (4 µs), since a disk call before the check may have taken as long as it liked.
 */
export class WriteGate {
  readonly #epoch: Epoch;
  readonly #now: () => number;
  #validUntilMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | null = null;
  readonly #onOpen: () => void;
  readonly #onExpired: () => void;

  constructor(options: { epoch: Epoch; onOpen: () => void; onExpired: () => void; now?: () => number }) {
    this.#epoch = options.epoch;
    this.#onOpen = options.onOpen;
    this.#onExpired = options.onExpired;
    this.#now = options.now ?? bootTimeMs;
  }

  get isOpen(): boolean {
    return this.#now() < this.#validUntilMs;
  }

  /** Opens or extends. A permit of another epoch is none. An older permit takes nothing back. */
  permit({ epoch, validUntilMs }: GatePermit): void {
    if (epoch !== this.#epoch || validUntilMs <= this.#validUntilMs) return;
    this.#validUntilMs = validUntilMs;
    this.#watch();
    if (this.isOpen) this.#onOpen();
  }

  shut(): void {
    this.#validUntilMs = Number.NEGATIVE_INFINITY;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** Only tells that time is up, so that clients are let go; a late timer makes nothing unsafe. */
  #watch(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => {
        if (this.isOpen) this.#watch();
        else this.#onExpired();
      },
      Math.max(10, this.#validUntilMs - this.#now()),
    );
    this.#timer.unref();
  }
}
