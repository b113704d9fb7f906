import type { Change, ChangedAttributes } from '#contracts/engine/message.ts';
import type { FieldReader } from '../sftp/fields.ts';
import { openFlag, statusCode } from '../sftp/protocol.ts';
import { StatusError } from '../sftp/status-error.ts';

/**
 * What each request of SFTP asks of the engine, by the name of its row in sftp/requests.ts. How today's parts become calls
 * of an EngineSession:
 *
 * | today                                              | with the engine                                             |
 * | -------------------------------------------------- | ----------------------------------------------------------- |
 * | home.ts: openJail                                  | beginSession({ root: home, makeRoot: 0o750, ... })          |
 * | session.ts: mutations.permitted, permission        | session.permitted, session.permission                       |
 * | handlers that change: jail.with, mutations.apply,  | await session.change(changeOf(...)): the paths of the       |
 * | mutations.durable, audit                           | answer are those for the audit line                         |
 * | open for writing                                   | await session.open(changeOf(...)): `path` for the audit     |
 * |                                                    | line; for READs the door opens `path` by itself and         |
 * |                                                    | compares device and inode                                   |
 * | handlers that read ('reads' here)                  | await session.readBarrier(), then as today                  |
 * | IncomingWrite.receive, writePiece                  | permission; while (!hasCredit) await credit();              |
 * |                                                    | session.write(piece): its promise is the reply of the WRITE |
 * | closeWritten, settleTimes                          | the engine's CLOSE: it settles the times                    |
 * | closeRefused                                       | session.change(close) all the same                          |
 * | abandon                                            | session.end()                                               |
 * | MayNotAcknowledge                                  | SessionLost, and session.lost ends the connection           |
 * | mutations.mayAcknowledge, mayAnswer                | the gate, as today, before every reply (H2)                 |
 * | mutations.unanswered                               | engine.unanswered                                           |
 * | hold, release, handles of the journal              | none                                                        |
 *
 * Modes are asked for as clients do, without set-id bits: what is stored is for the engine to say (J2, J3).
 */
export const changes = {
  open: (fields) => {
    const path = fields.path();
    const flags = fields.u32();
    const has = (flag: number) => (flags & flag) !== 0;
    const { mode = 0o666 } = fields.attributes();
    const write = has(openFlag.write) || has(openFlag.append);
    if (!write) return 'reads';
    return {
      kind: 'open',
      path,
      flags: {
        read: has(openFlag.read),
        write,
        append: has(openFlag.append),
        create: has(openFlag.create),
        exclusive: has(openFlag.exclusive),
        truncate: has(openFlag.truncate),
      },
      mode: mode & 0o777,
    };
  },
  close: (fields, { handleOf }) =>
    ofHandle(handleOf(fields.bytes()), (handle) => ({ kind: 'close', handle })),
  fsync: (fields, { handleOf }) => ofHandle(handleOf(fields.bytes()), (handle) => ({ kind: 'sync', handle })),
  fsetstat: (fields, { handleOf }) => {
    const handle = handleOf(fields.bytes());
    if (handle === null)
      throw new StatusError(statusCode.permissionDenied, 'The handle is not open for writing');
    return { kind: 'set-handle-attributes', handle, attributes: settable(fields) };
  },
  setstat: (fields) => ({
    kind: 'set-attributes',
    path: fields.path(),
    follow: true,
    attributes: settable(fields),
  }),
  /** The times alone: a link has no mode on Linux, and no size to set. */
  lsetstat: (fields) => {
    const path = fields.path();
    const { size, mode, ...times } = settable(fields);
    return { kind: 'set-attributes', path, follow: false, attributes: times };
  },
  remove: (fields) => ({ kind: 'remove', path: fields.path() }),
  mkdir: (fields) => {
    const path = fields.path();
    const { mode = 0o777 } = fields.attributes();
    return { kind: 'mkdir', path: withoutSlash(path), mode: mode & 0o777 };
  },
  rmdir: (fields) => ({ kind: 'rmdir', path: withoutSlash(fields.path()) }),
  rename: (fields) => renaming(fields, false),
  'posix-rename': (fields) => renaming(fields, true),
  hardlink: (fields) => ({ kind: 'link', existing: fields.path(), path: fields.path() }),
  symlink: (fields, { linkFirst }) => {
    const [first, second] = [fields.path(), fields.path()];
    const [target, path] = linkFirst ? [second, first] : [first, second];
    return { kind: 'symlink', path, target };
  },
  read: () => 'reads',
  lstat: () => 'reads',
  fstat: () => 'reads',
  opendir: () => 'reads',
  readdir: () => 'reads',
  realpath: () => 'reads',
  stat: () => 'reads',
  readlink: () => 'reads',
  statvfs: () => 'reads',
  fstatvfs: () => 'reads',
} satisfies Record<string, ToChange>;

/** 'reads': nothing is asked of the engine but a read barrier. The fields are those behind the request's id and name. */
type ToChange = (fields: FieldReader, lookups: Lookups) => Change | 'reads';

export interface Lookups {
  /** The engine's number of a handle of this session; null when it is open for reading alone. @throws StatusError */
  readonly handleOf: (name: Buffer) => number | null;
  /** This client's SYMLINK names the link before its target. */
  readonly linkFirst: boolean;
}

export type RequestName = keyof typeof changes;

/** @throws StatusError when the packet is malformed, or asks for what is not to be had */
export function changeOf(name: RequestName, fields: FieldReader, lookups: Lookups): Change | 'reads' {
  const toChange: ToChange = changes[name];
  return toChange(fields, lookups);
}

function ofHandle(handle: number | null, change: (handle: number) => Change): Change | 'reads' {
  return handle === null ? 'reads' : change(handle);
}

function renaming(fields: FieldReader, replace: boolean): Change {
  return { kind: 'rename', from: withoutSlash(fields.path()), to: withoutSlash(fields.path()), replace };
}

/** In microseconds, without set-id bits. @throws StatusError when a client asks for owner or group and nothing else */
function settable(fields: FieldReader): ChangedAttributes {
  const { hasOwner, size, mode, accessedAt, modifiedAt } = fields.attributes();
  const attributes: ChangedAttributes = {
    ...(size === undefined ? {} : { size }),
    ...(mode === undefined ? {} : { mode: mode & 0o777 }),
    ...(accessedAt === undefined ? {} : { accessedAtUs: accessedAt * 1e6 }),
    ...(modifiedAt === undefined ? {} : { modifiedAtUs: modifiedAt * 1e6 }),
  };
  if (hasOwner && Object.keys(attributes).length === 0)
    throw new StatusError(statusCode.permissionDenied, 'Owner and group cannot be changed here');
  return attributes;
}

/** A directory may be named with a slash at its end, as mkdir(2) takes it. */
function withoutSlash(path: Buffer): Buffer {
  let end = path.length;
  while (end > 1 && path[end - 1] === 0x2f) end -= 1;
  return path.subarray(0, end);
}
