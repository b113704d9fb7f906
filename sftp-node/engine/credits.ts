import type { Allowance } from '#contracts/engine/limits.ts';

/** What of one session is under way at the engine. */
export interface Use {
  readonly bytes: number;
  readonly requests: number;
}

/** What of all sessions is under way, and who may have more. */
export class Credits {
  readonly #allowance: Allowance;
  /** Taken from clients and not acknowledged. */
  #takenBytes = 0;
  /** Of these, sent. */
  #sentBytes = 0;
  #requests = 0;

  constructor(allowance: Allowance) {
    this.#allowance = allowance;
  }

  get sessions(): number {
    return this.#allowance.sessions;
  }

  took(bytes: number): void {
    this.#takenBytes += bytes;
  }

  sent(bytes: number): void {
    this.#requests += 1;
    this.#sentBytes += bytes;
  }

  answered(bytes: number, requests: number): void {
    this.#requests -= requests;
    this.#takenBytes -= bytes;
    this.#sentBytes -= bytes;
  }

  maySendRequest({ requests }: Use): boolean {
    return requests < this.#allowance.requests && this.#requests < this.#allowance.connectionRequests;
  }

  /** @param sent of the session. As contracts/engine/limits.ts says it. */
  maySendData(sent: Use): boolean {
    const { sessionCreditBytes, sessionShareBytes, connectionCreditBytes } = this.#allowance;
    if (!this.maySendRequest(sent) || sent.bytes >= sessionCreditBytes) return false;
    return sent.bytes < sessionShareBytes || this.#sentBytes < connectionCreditBytes;
  }

  /**
   * Beyond its share a session may have as much as is free yet for all: so those that the engine holds up leave room, and
   * one alone has half. (Dynamic thresholds, Choudhury and Hahne 1998.)
   *
   * @param taken of the session
   */
  mayTakeData(taken: Use): boolean {
    const { sessionCreditBytes, sessionShareBytes, connectionCreditBytes } = this.#allowance;
    if (!this.maySendRequest(taken) || taken.bytes >= sessionCreditBytes) return false;
    return taken.bytes < sessionShareBytes || taken.bytes < connectionCreditBytes - this.#takenBytes;
  }
}
