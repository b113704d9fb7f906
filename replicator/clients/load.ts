import type { Allowance } from '#contracts/engine/limits.ts';
import { ProtocolError } from './protocol-error.ts';

/** What is under way: of a session, and of all sessions of a connection together. */
export class Load {
  readonly #limits: { readonly requests: number; readonly creditBytes: number };
  readonly #whose: string;
  readonly #whole: Load | null;
  #requests = 0;
  #bytes = 0;

  static ofConnection({ connectionRequests, connectionCreditBytes }: Allowance): Load {
    const limits = { requests: connectionRequests, creditBytes: connectionCreditBytes };
    return new Load(limits, 'the connection', null);
  }

  private constructor(
    limits: { readonly requests: number; readonly creditBytes: number },
    whose: string,
    whole: Load | null,
  ) {
    this.#limits = limits;
    this.#whose = whose;
    this.#whole = whole;
  }

  ofSession(id: number, { requests, sessionCreditBytes }: Allowance): Load {
    return new Load({ requests, creditBytes: sessionCreditBytes }, `session ${id}`, this);
  }

  /** @param bytes of data, or 0. @throws ProtocolError beyond the allowance */
  begin(bytes: number): void {
    const { requests, creditBytes } = this.#limits;
    if (this.#requests >= requests)
      throw new ProtocolError('beyond-allowance', `${this.#whose} asked more than ${requests} at once`);
    if (bytes > 0 && this.#bytes >= creditBytes)
      throw new ProtocolError('beyond-allowance', `${this.#whose} wrote beyond its credit of ${creditBytes}`);
    this.#whole?.begin(bytes);
    this.#requests += 1;
    this.#bytes += bytes;
  }

  end(bytes: number): void {
    this.#requests -= 1;
    this.#bytes -= bytes;
    this.#whole?.end(bytes);
  }

  /** The session is gone: nothing of it is under way any more. */
  leave(): void {
    for (; this.#requests > 1; this.#requests -= 1) this.#whole?.end(0);
    if (this.#requests === 1) this.end(this.#bytes);
  }
}
