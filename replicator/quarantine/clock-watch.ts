const steadyAfterMs = 3_600_000;
const stepMs = 60_000;

/**
 * Whether the wall clock may be believed for what cannot be taken back: it went on with elapsed time for an hour. A host
 * may start with a clock that is years ahead, which is set right when the network comes.
 */
export class ClockWatch {
  readonly #wallMs: () => number;
  readonly #elapsedMs: () => number;
  #offsetMs: number;
  #sinceMs: number;

  constructor(wallMs: () => number, elapsedMs: () => number) {
    this.#wallMs = wallMs;
    this.#elapsedMs = elapsedMs;
    this.#sinceMs = elapsedMs();
    this.#offsetMs = wallMs() - this.#sinceMs;
  }

  /** To be called from time to time. */
  look(): { readonly wallMs: number; readonly isSteady: boolean } {
    const [wallMs, elapsedMs] = [this.#wallMs(), this.#elapsedMs()];
    if (Math.abs(wallMs - elapsedMs - this.#offsetMs) > stepMs) {
      this.#offsetMs = wallMs - elapsedMs;
      this.#sinceMs = elapsedMs;
    }
    return { wallMs, isSteady: elapsedMs - this.#sinceMs >= steadyAfterMs };
  }
}
