import type { Logger } from '#contracts/log.ts';
import type { Admission } from '../admission.ts';
import type { EngineSession } from '../engine/ports.ts';
import type { Jail } from '../paths/jail.ts';
import type { FieldReader } from './fields.ts';
import type { Handles } from './handles.ts';

/** The door's write gate, looked at before every answer (H2). */
export interface AnswerGate {
  /** Before one that tells of a change (G1). */
  readonly isOpen: boolean;
  /** Before any other: what was read may be old by then. */
  readonly isOver: boolean;
}

/** What a request handler works with: one SFTP session of one user. */
export interface SessionContext {
  readonly user: string;
  /** What is read is read through it. */
  readonly jail: Jail;
  /** The files root: where the engine says that a path led. */
  readonly tree: Jail;
  readonly handles: Handles;
  /** It makes the changes. */
  readonly engine: EngineSession;
  readonly gate: AnswerGate;
  readonly admission: Admission;
  /** This client's SYMLINK names the link before its target. */
  readonly linkFirst: boolean;
  /** The audit log: who did what to which file. */
  readonly audit: Logger;
}

/** A reply packet, at once or when what it says has come true. */
export type Reply = Buffer | Promise<Buffer>;

export type Handler = (context: SessionContext, id: number, fields: FieldReader) => Reply;
