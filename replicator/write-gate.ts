import { bootTimeMs } from '#contracts/boot-time.ts';
import type { Epoch } from '#contracts/identities.ts';
import type { GatePermit } from '#contracts/write-gate.ts';
import type { Gate } from './engine/client-work.ts';

const epochCell = 0;
const untilCell = 1;

/**
 * The engine's write gate: shut until the supervisor permits, and again by itself when the permit ends (G1, H2). It lies in
 * shared memory, so that the thread that hears the supervisor can shut it while the one that orders waits for a disk.
 */
export class WriteGate {
  /** The epoch of the permit, and its end in whole milliseconds of boot time. */
  readonly #cells: BigInt64Array<SharedArrayBuffer>;
  readonly #now: () => number;

  /** @param memory of another thread's gate: then both are the same one */
  constructor(memory = new SharedArrayBuffer(16), now: () => number = bootTimeMs) {
    this.#cells = new BigInt64Array(memory);
    this.#now = now;
  }

  get memory(): SharedArrayBuffer {
    return this.#cells.buffer;
  }

  /** Opens or extends. An older permit of the same epoch takes nothing back. */
  permit({ epoch, validUntilMs }: GatePermit): void {
    const until = BigInt(Math.floor(validUntilMs));
    const isSameEpoch = Atomics.load(this.#cells, epochCell) === BigInt(epoch);
    if (isSameEpoch && until <= Atomics.load(this.#cells, untilCell)) return;
    // Readers look at the end first: with the new one they never see the old epoch.
    if (!isSameEpoch) this.shut();
    Atomics.store(this.#cells, epochCell, BigInt(epoch));
    Atomics.store(this.#cells, untilCell, until);
  }

  shut(): void {
    Atomics.store(this.#cells, untilCell, 0n);
  }

  isOpenFor(epoch: Epoch): boolean {
    const untilMs = Number(Atomics.load(this.#cells, untilCell));
    return Number(Atomics.load(this.#cells, epochCell)) === epoch && this.#now() < untilMs;
  }

  /** As one leadership sees it. */
  of(epoch: Epoch): Gate {
    const isOpen = () => this.isOpenFor(epoch);
    return {
      get mayChange() {
        return isOpen();
      },
      get mayAcknowledge() {
        return isOpen();
      },
    };
  }
}
