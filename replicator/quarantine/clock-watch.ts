const steadyAfterMs = 3_600_000;
const stepMs = 60_000;

/** What the wall clock was ahead of elapsed time, before and after. */
export interface ClockStep {
  readonly fromMs: number;
  readonly toMs: number;
}

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

  /** To be called from time to time. `stepped`: since the last time. */
  look(): { readonly wallMs: number; readonly isSteady: boolean; readonly stepped: ClockStep | null } {
    const [wallMs, elapsedMs] = [this.#wallMs(), this.#elapsedMs()];
    const [fromMs, toMs] = [this.#offsetMs, wallMs - elapsedMs];
    const isStep = Math.abs(toMs - fromMs) > stepMs;
    if (isStep) {
      this.#offsetMs = toMs;
      this.#sinceMs = elapsedMs;
    }
    const isSteady = elapsedMs - this.#sinceMs >= steadyAfterMs;
    return { wallMs, isSteady, stepped: isStep ? { fromMs, toMs } : null };
  }
}
