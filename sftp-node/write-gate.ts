import { bootTimeMs } from '#contracts/boot-time.ts';
import type { Epoch } from '#contracts/identities.ts';
import { afterFullPoll } from '#contracts/lateness.ts';
import type { GatePermit } from '#contracts/write-gate.ts';

export interface GateOptions {
  readonly epoch: Epoch;
  /** With each permit that opens it, or keeps it open. */
  readonly onOpen: () => void;
  /** Time is up; permits that lie unread are about to be read. Comes before `onExpired`, or `onOpen`. */
  readonly onDoubt: () => void;
  readonly onExpired: () => void;
  /** Boot time, milliseconds. */
  readonly now?: () => number;
}

/**
 * Whether this process may acknowledge changes (G1). Shut until the supervisor opens it, and again by itself when the
 * permit ends: the check is by boot time, which goes on while a process is frozen or a machine suspended. It is asked
 * for at each check, since a disk call before the check may have taken as long as it liked.
 */
export class WriteGate {
  readonly #epoch: Epoch;
  readonly #now: () => number;
  /** The end of the last permit, also of one that was cut short by `shut`. */
  #validUntilMs = Number.NEGATIVE_INFINITY;
  #isShut = false;
  #timer: NodeJS.Timeout | null = null;
  #cancelVerdict = () => {};
  readonly #onOpen: () => void;
  readonly #onDoubt: () => void;
  readonly #onExpired: () => void;

  constructor(options: GateOptions) {
    this.#epoch = options.epoch;
    this.#onOpen = options.onOpen;
    this.#onDoubt = options.onDoubt;
    this.#onExpired = options.onExpired;
    this.#now = options.now ?? bootTimeMs;
  }

  get isOpen(): boolean {
    return !this.#isShut && this.#now() < this.#validUntilMs;
  }

  /**
   * Whether the time of the last permit has passed, so that another host may lead: until it is extended nothing is
   * answered. Shutting the gate does not put that off.
   */
  get isOver(): boolean {
    return this.#validUntilMs > Number.NEGATIVE_INFINITY && this.#now() >= this.#validUntilMs;
  }

  /** Opens or extends. A permit of another epoch is none. An older permit takes nothing back. */
  permit({ epoch, validUntilMs }: GatePermit): void {
    if (epoch !== this.#epoch || (!this.#isShut && validUntilMs <= this.#validUntilMs)) return;
    this.#validUntilMs = Math.max(validUntilMs, this.#validUntilMs);
    this.#isShut = false;
    this.#watch();
    if (this.isOpen) this.#onOpen();
  }

  shut(): void {
    this.#isShut = true;
    this.#stopWatching();
  }

  /** Only tells that time is up, so that clients are let go; a late timer makes nothing unsafe. */
  #watch(): void {
    this.#stopWatching();
    this.#timer = setTimeout(() => this.#look(), Math.max(10, this.#validUntilMs - this.#now()));
    this.#timer.unref();
  }

  /**
   * A process that stood still is here before it has read the permits that came meanwhile. The gate is shut all the same;
   * only the verdict, by which clients lose their connections, waits until they are read.
   */
  #look(): void {
    if (this.isOpen) {
      this.#watch();
      return;
    }
    this.#onDoubt();
    this.#cancelVerdict = afterFullPoll(() => {
      if (this.isOpen) this.#watch();
      else this.#onExpired();
    });
  }

  #stopWatching(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#cancelVerdict();
  }
}
