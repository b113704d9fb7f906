import type { Allowance } from '#contracts/engine/limits.ts';

/** What of one session is under way at the engine. */
export interface Use {
  readonly bytes: number;
  readonly requests: number;
}

/** What of all sessions is under way, and who may send more. */
export class Credits {
  readonly #allowance: Allowance;
  #bytes = 0;
  #requests = 0;

  constructor(allowance: Allowance) {
    this.#allowance = allowance;
  }

  get sessions(): number {
    return this.#allowance.sessions;
  }

  began(bytes: number): void {
    this.#requests += 1;
    this.#bytes += bytes;
  }

  ended(bytes: number, requests = 1): void {
    this.#requests -= requests;
    this.#bytes -= bytes;
  }

  permitsRequest({ requests }: Use): boolean {
    return requests < this.#allowance.requests && this.#requests < this.#allowance.connectionRequests;
  }

  /**
   * A session may have as much under way as is free yet for all: so those that the engine holds up leave room for the
   * others, however many they are, and one alone has half. (Dynamic thresholds, Choudhury and Hahne 1998.)
   */
  permitsData(use: Use): boolean {
    const { sessionCreditBytes, connectionCreditBytes } = this.#allowance;
    const freeBytes = connectionCreditBytes - this.#bytes;
    if (!this.permitsRequest(use) || freeBytes <= 0) return false;
    return use.bytes === 0 || use.bytes < Math.min(sessionCreditBytes, freeBytes);
  }
}
