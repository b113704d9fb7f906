import type { Allowance } from '#contracts/engine/limits.ts';
import { ProtocolError } from './protocol-error.ts';

/** What is under way of all sessions of a connection. */
export class ConnectionLoad {
  readonly allowance: Allowance;
  requests = 0;
  bytes = 0;

  constructor(allowance: Allowance) {
    this.allowance = allowance;
  }
}

/** What is under way of one session, within its connection. */
export class SessionLoad {
  readonly #whole: ConnectionLoad;
  #requests = 0;
  #bytes = 0;

  constructor(whole: ConnectionLoad) {
    this.#whole = whole;
  }

  /** @param bytes of data, or 0. @throws ProtocolError beyond the allowance */
  begin(bytes: number): void {
    const { requests, connectionRequests } = this.#whole.allowance;
    if (this.#requests >= requests || this.#whole.requests >= connectionRequests)
      throw new ProtocolError('beyond-allowance', 'too many requests at once');
    if (bytes > 0) this.#assertCredit();
    this.#add(1, bytes);
  }

  end(bytes: number): void {
    this.#add(-1, -bytes);
  }

  /** The session is gone: nothing of it is under way any more. */
  leave(): void {
    this.#add(-this.#requests, -this.#bytes);
  }

  #assertCredit(): void {
    const { sessionCreditBytes, sessionShareBytes, connectionCreditBytes } = this.#whole.allowance;
    if (this.#bytes >= sessionCreditBytes)
      throw new ProtocolError('beyond-allowance', 'a session wrote beyond its credit');
    if (this.#bytes >= sessionShareBytes && this.#whole.bytes >= connectionCreditBytes)
      throw new ProtocolError('beyond-allowance', 'the door wrote beyond its credit');
  }

  #add(requests: number, bytes: number): void {
    this.#requests += requests;
    this.#bytes += bytes;
    this.#whole.requests += requests;
    this.#whole.bytes += bytes;
  }
}
