import type { Allowance } from './limits.ts';
import type { VersionRange } from './version.ts';

/**
 * What a door (an SFTP worker, say) and the storage engine tell each other, over one connection for each process of the
 * door. The engine alone changes files; a door asks it on behalf of its sessions.
 *
 *     door                                    engine
 *     hello (versions, epoch)          ->
 *                                      <-     welcome (version, epoch, allowance) | goodbye (code)
 *                                      <-     refusing (reason)          -- at any time; empty: allowed again
 *     begin-session (grant)            ->
 *                                      <-     begun
 *     open (path)                      ->
 *                                      <-     opened (handle, resolved path, inode, size)
 *     write, write, ...                ->
 *                                      <-     acknowledged (bytes so far)
 *     close (handle)                   ->
 *                                      <-     done (durable)
 *     end-session                      ->
 *                                      <-     done
 *
 * Rules
 * 1. A connection belongs to one epoch. The engine takes none of another epoch than that under which it leads, and ends
 *    those that it has when its leadership ends (H2).
 * 2. Requests of one session are carried out in their order. Those of different sessions are in no order.
 * 3. Each request has one answer, `refused` when it was not carried out; `write` and `append` have none of their own but
 *    when something is wrong with them: `acknowledged` counts the bytes of them that are settled, in order. A
 *    `write-refused` comes before the `acknowledged` that counts its bytes, and so does an `appended`.
 * 4. Answers of one session come in the order of its requests within each of two classes, which may overtake each other:
 *    those that say "made" (opened, begun, the read barrier, write and append), and those that say "durable" (the rest;
 *    G3). So what waits for a disk holds up no read. The answer to `end-session` comes after all others.
 * 5. When a connection ends, with or without `end-session`, the engine closes the handles of its sessions. What was
 *    written stays. A door whose connection ended does not know whether what was unanswered was done.
 * 6. A frame that is not as described, or goes beyond the allowance, ends the connection, and nothing else.
 */
export type ToEngine =
  /** `door`: its name, for logs. */
  | { readonly kind: 'hello'; readonly versions: VersionRange; readonly epoch: number; readonly door: string }
  /** Whether the thread that orders is alive: answered by it, at once, whatever waits for disks and peers. */
  | { readonly kind: 'ping'; readonly number: number }
  | SessionRequest;

/**
 * @property session chosen by the door, used once in a connection
 * @property request chosen by the door; of a session, none twice while unanswered
 */
export type SessionRequest = { readonly session: number; readonly request: number } & Request;

export type Request = SessionLife | Change | DataRequest;

export type SessionLife =
  | { readonly kind: 'begin-session'; readonly grant: Grant }
  /** Its handles are closed, what was written is kept. Nothing of this session follows. */
  | { readonly kind: 'end-session' }
  /** Changes nothing. Answered when all that the session asked before is made, so that a read sees it (H3). */
  | { readonly kind: 'read-barrier' };

/** What a session may do, as authentication found it; the engine maps the session to it (J1). */
export interface Grant {
  /** The directory that its paths begin in and never leave: link-free, from the files root, without slashes at its ends. */
  readonly root: Buffer;
  /** When the root, or a directory above it, is missing: it is made, with this mode. null: the session is refused. */
  readonly makeRoot: number | null;
  /** Whether anything may be changed. */
  readonly mayChange: boolean;
  /** Whose quota counts; empty: nobody's. For later: the engine of version 1 passes it on. */
  readonly account: string;
}

/**
 * Paths are as the client wrote them: bytes, absolute or relative to the root of the grant, with `..` and links. The
 * engine resolves them, and says where they led.
 */
export type Change =
  | {
      readonly kind: 'open';
      readonly path: Buffer;
      readonly flags: OpenFlags;
      /** Of a new file, as the client asked, with 0666 where it did not. */
      readonly mode: number;
    }
  | {
      readonly kind: 'set-handle-attributes';
      readonly handle: number;
      readonly attributes: ChangedAttributes;
    }
  /** As with close(2), the handle is gone also when this is refused. */
  | { readonly kind: 'close'; readonly handle: number }
  | { readonly kind: 'sync'; readonly handle: number }
  /** `follow`: a link at the end of the path is followed; else a link's own times are set. */
  | {
      readonly kind: 'set-attributes';
      readonly path: Buffer;
      readonly follow: boolean;
      readonly attributes: ChangedAttributes;
    }
  /** `replace`: what is at `to` goes (posix-rename); else it is refused with EEXIST. */
  | { readonly kind: 'rename'; readonly from: Buffer; readonly to: Buffer; readonly replace: boolean }
  | { readonly kind: 'remove'; readonly path: Buffer }
  | { readonly kind: 'mkdir'; readonly path: Buffer; readonly mode: number }
  | { readonly kind: 'rmdir'; readonly path: Buffer }
  /** `target` is stored as it is, and leads nowhere until somebody follows it. */
  | { readonly kind: 'symlink'; readonly path: Buffer; readonly target: Buffer }
  | { readonly kind: 'link'; readonly existing: Buffer; readonly path: Buffer };

export type ChangeKind = Change['kind'];

/** `exclusive` also means that a link at the end of the path is not followed. */
export interface OpenFlags {
  readonly read: boolean;
  readonly write: boolean;
  /** Every WRITE goes to the end of the file, whatever its offset: such a handle takes `append` alone. */
  readonly append: boolean;
  readonly create: boolean;
  readonly exclusive: boolean;
  readonly truncate: boolean;
}

/** Absent fields stay as they are. Times are whole microseconds since 1970; `size` truncates or extends. */
export interface ChangedAttributes {
  readonly size?: number;
  readonly mode?: number;
  readonly accessedAtUs?: number;
  readonly modifiedAtUs?: number;
}

/** Data is the rest of the frame. An `append` is not split: the data of others comes before or after it. */
export type DataRequest =
  | { readonly kind: 'write'; readonly handle: number; readonly offset: number; readonly data: Buffer }
  | { readonly kind: 'append'; readonly handle: number; readonly data: Buffer };

export type FromEngine =
  | {
      readonly kind: 'welcome';
      readonly version: number;
      readonly epoch: number;
      readonly allowance: Allowance;
    }
  /** The last word of a connection. */
  | { readonly kind: 'goodbye'; readonly code: GoodbyeCode; readonly sentence: string }
  /** No change is made now, for this reason; empty: they are again. */
  | { readonly kind: 'refusing'; readonly reason: string }
  | { readonly kind: 'pong'; readonly number: number }
  | SessionAnswer;

export const goodbyeCodes = [
  /** What came is no message of this protocol. */
  'malformed',
  /** It went beyond the allowance. */
  'beyond-allowance',
  /** No version that both speak. */
  'version',
  /** The engine does not lead, or under another epoch. */
  'epoch',
  /** The write gate shut before an acknowledgement could leave. */
  'gate-shut',
  /** More connections than there is room for. */
  'no-room',
  'stopping',
] as const;
export type GoodbyeCode = (typeof goodbyeCodes)[number];

export type SessionAnswer = { readonly session: number } & (
  | Answer
  /** All bytes of its WRITEs so far that are settled, since the session began. */
  | { readonly kind: 'acknowledged'; readonly bytes: number }
);

export type Answer = { readonly request: number } & (
  | Success
  | Refusal
  /** To an `append`: how large the file was right after it. Its bytes are acknowledged as those of others. */
  | { readonly kind: 'appended'; readonly size: number }
  /** Of this WRITE the first `written` bytes were written, the others were not. */
  | {
      readonly kind: 'write-refused';
      readonly written: number;
      readonly errno: string;
      readonly sentence: string;
    }
);

export type Success =
  /** `made`: how many directories of the way to the root are new. */
  | { readonly kind: 'begun'; readonly made: number }
  | {
      readonly kind: 'opened';
      readonly handle: number;
      /** Link-free, from the files root. */
      readonly path: Buffer;
      readonly created: boolean;
      /** By which a door that opens the path for reading sees that it got the same file. */
      readonly device: bigint;
      readonly inode: bigint;
      readonly size: number;
    }
  /**
   * `durable`: on the disks it must be on (G3); else it was made, or there was nothing to do. `paths`: where those of the
   * request led, link-free, from the files root, in their order; none for a handle.
   */
  | { readonly kind: 'done'; readonly durable: boolean; readonly paths: readonly Buffer[] };

/** Not carried out. `errno` is the kernel's name, as ENOENT; the sentence says more, and holds nothing of a client's. */
export interface Refusal {
  readonly kind: 'refused';
  readonly errno: string;
  readonly sentence: string;
}
