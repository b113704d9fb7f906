const beatMs = 50;
/** A loop that is well is never later than this, on a busy host. */
const slackMs = 300;

/** Says in shared memory that the loop of a thread turns. */
export function beatIn(memory: SharedArrayBuffer): void {
  const cell = new Int32Array(memory);
  setInterval(() => Atomics.add(cell, 0, 1), beatMs).unref();
}

/** For how long the loop of another thread stood still, as far as this one attended. */
export class Pulse {
  readonly memory = new SharedArrayBuffer(4);
  readonly #cell = new Int32Array(this.memory);
  readonly #attendedMs: () => number;
  #beat = 0;
  #beatAtMs: number;

  /** @param attendedMs of this thread: nobody is late while it is */
  constructor(attendedMs: () => number) {
    this.#attendedMs = attendedMs;
    this.#beatAtMs = attendedMs();
  }

  /** To be called every now and then; a beat that nobody looked for counts when it is looked for. */
  look(): void {
    const beat = Atomics.load(this.#cell, 0);
    if (beat === this.#beat) return;
    this.#beat = beat;
    this.#beatAtMs = this.#attendedMs();
  }

  /** Milliseconds; 0: it is well. */
  get silentMs(): number {
    this.look();
    const silentMs = this.#attendedMs() - this.#beatAtMs;
    return silentMs > slackMs ? silentMs : 0;
  }
}
