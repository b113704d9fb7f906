import type { Change, Grant, Success } from '#contracts/engine/message.ts';

/** How long a change waits for the engine, or for the end of a refusal, before it fails. */
export interface Patience {
  readonly patienceMs?: number;
  /** Ends the wait with the client that waits. */
  readonly signal?: AbortSignal;
}

export type Opened = Extract<Success, { kind: 'opened' }>;
export type Done = Extract<Success, { kind: 'done' }>;

/** The storage engine, as this process sees it: it makes the changes, here and on the standbys. */
export interface Engine {
  /** Begins a session as soon as there is an engine; until then it may read, and changes wait for it. */
  openSession(grant: Grant): EngineSession;
  /** Changes and WRITEs of all sessions that have no answer yet. */
  readonly unanswered: number;
  /** For how long nothing came from it although it was asked for a sign of life; 0: it is not silent, or not connected. */
  readonly silentMs: number;
  /** Ends all sessions. */
  close(): void;
}

/**
 * One client's changes. Requests are made in the order of these calls. What fails is an EngineRefusal, or SessionLost when
 * `lost` is aborted.
 */
export interface EngineSession {
  /**
   * Waits for the engine, also one that is just being started, and for the root of the grant.
   * @throws as `permission`; EngineRefusal when the engine did not begin the session
   */
  begun(patience?: Patience): Promise<void>;
  /** How many directories of the way to its root were missing, and were made. */
  readonly made: number;
  /** Aborted, with a SessionLost as reason, when the session cannot go on. */
  readonly lost: AbortSignal;
  /** Whether a change may be asked for now: else wait for `permission`. */
  readonly permitted: boolean;
  /** @throws StatusError with the reason when changes are refused for too long; the reason of `signal` or `lost` */
  permission(patience?: Patience): Promise<void>;
  open(change: Extract<Change, { kind: 'open' }>): Promise<Opened>;
  /** Resolves when it is durable as far as it must be (G3). */
  change(change: Exclude<Change, { kind: 'open' }>): Promise<Done>;
  /**
   * A piece of a WRITE to a handle that `open` gave. Its data must not be changed before it is settled.
   * @returns with the last piece: resolves when all of the WRITE is made. null before
   */
  write(piece: WritePiece): Promise<Written> | null;
  /** False: no `write` now (it would throw). `while (!session.hasCredit) await session.credit()`, and no read meanwhile. */
  readonly hasCredit: boolean;
  /** Resolves when there is credit, which another session may take first. Rejects when the session is lost. */
  credit(): Promise<void>;
  /** Resolves when what was asked for before is made: then a read sees it (H3). */
  readBarrier(): Promise<void>;
  /** The client is gone: its handles are closed, what was written is kept. Resolves also when the engine is away. */
  end(): Promise<void>;
}

export interface WritePiece {
  readonly handle: number;
  /** Passed over for a handle that appends. */
  readonly offset: number;
  readonly data: Buffer;
  readonly last: boolean;
}

export interface Written {
  /** Of the file, right after an append. */
  readonly size?: number;
}
