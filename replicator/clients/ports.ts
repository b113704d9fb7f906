import type { Grant, Refusal, Request, Success } from '#contracts/engine/message.ts';

/** What the server of the client protocol hands requests to: the thread that orders. */
export interface Engine {
  /**
   * All whole requests of one read of one connection, in their order; those of one session are to be made in it. May
   * settle any of them before it returns. Must not throw: what cannot be made is settled as refused.
   */
  submit(turn: Turn): void;
  /** The write gate, looked at right before a success leaves (H2). It shuts by itself, so it is asked each time. */
  readonly mayAcknowledge: boolean;
}

export interface Turn {
  readonly requests: readonly ClientRequest[];
  /**
   * Buffers of the requests (data and paths) are views of memory that is used again when `submit` returns. They lie in a
   * SharedArrayBuffer, so that another thread can read them. Who needs them longer retains them first, for all of the turn.
   * Memory that is retained is not read into: enough of it, and the connection is not read from any more.
   *
   * @returns releases; to be called once
   */
  retain(): () => void;
}

export interface ClientRequest {
  readonly session: ClientSession;
  /**
   * Each session's first is `begin-session` and, unless that is refused, its last `end-session`, also when its connection
   * broke: the engine closes the handles that the session opened, and keeps what was written. A handle that is named here was opened by this
   * session and is open.
   */
  readonly request: Request;
  /**
   * Says what became of it, once: at any time, in any order; the server brings answers into theirs. `written` and
   * `write-refused` are for `write` and `append` alone; a refusal is for all others. Of a session that is gone it does
   * nothing.
   */
  settle(outcome: Outcome): void;
}

export type Outcome =
  | Success
  | Refusal
  /** `size`: of the file right after an append. */
  | { readonly kind: 'written'; readonly size?: number }
  /** The first `written` bytes were written, the others were not. */
  | {
      readonly kind: 'write-refused';
      readonly written: number;
      readonly errno: string;
      readonly sentence: string;
    };

/** One client of a door; the same object in all its requests. */
export interface ClientSession {
  readonly grant: Grant;
  /** The name of its door, for logs. */
  readonly door: string;
  /**
   * Back-pressure, as of a file whose unflushed bytes are too many: from the next turn on its requests are kept by the
   * server, which its credit bounds, until `resume`. Other sessions of the connection go on. Those of this turn are not
   * taken back.
   */
  pause(): void;
  resume(): void;
}
