/** A mode or a time of which some values are known. `null`: the server's choice, so that anything may be there. */
export class Attribute {
  #settled: number | null;
  #maybe: (number | null)[] = [];

  constructor(settled: number | null = null) {
    this.#settled = settled;
  }

  /** What it is for sure; null when it is the server's choice, or in doubt. */
  get known(): number | null {
    return this.#maybe.length === 0 ? this.#settled : null;
  }

  get isUncertain(): boolean {
    return this.#maybe.length > 0;
  }

  /** A change of it was acknowledged. */
  set(value: number | null): void {
    this.#settled = value;
    this.#maybe = [];
  }

  /** A change of it may have happened. */
  doubt(value: number | null): void {
    this.#maybe.push(value);
  }

  allows(observed: number): boolean {
    return [this.#settled, ...this.#maybe].some((value) => value === null || value === observed);
  }

  toString(): string {
    return [this.#settled, ...this.#maybe].map((value) => (value === null ? 'any' : value)).join(' or ');
  }
}
