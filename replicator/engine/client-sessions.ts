import type { ClientSession } from '../clients/ports.ts';

/** A handle as a door names it. */
export interface SessionHandle {
  /** In the log: the sequence of the record that opened it. */
  readonly handle: number;
  /** Something was changed by it: its close is durable, and says the times. */
  isChanged: boolean;
}

/** The handles of each client's session. */
export class ClientSessions {
  readonly #handles = new Map<ClientSession, Map<number, SessionHandle>>();
  #lastNumber = 0;

  begin(session: ClientSession): void {
    this.#handles.set(session, new Map());
  }

  /** @returns the number by which the door names it from now on */
  opened(session: ClientSession, handle: number, isChanged: boolean): number {
    this.#lastNumber += 1;
    this.#handles.get(session)?.set(this.#lastNumber, { handle, isChanged });
    return this.#lastNumber;
  }

  find(session: ClientSession, number: number): SessionHandle | null {
    return this.#handles.get(session)?.get(number) ?? null;
  }

  closed(session: ClientSession, number: number): void {
    this.#handles.get(session)?.delete(number);
  }

  /** @returns the handles that it left open */
  end(session: ClientSession): SessionHandle[] {
    const left = [...(this.#handles.get(session)?.values() ?? [])];
    this.#handles.delete(session);
    return left;
  }
}
