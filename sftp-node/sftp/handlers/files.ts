import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  futimesSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs';
import type { Attributes, OpenFlags, Operation } from '#contracts/journal/operation.ts';
import { syncFile } from '../../mutations.ts';
import type { Place } from '../../paths/jail.ts';
import { shown, shownAttributes } from '../audit.ts';
import {
  type Handler,
  orClose,
  type SessionContext,
  syncAll,
  syncAndClose,
  withDirectories,
} from '../context.ts';
import type { FieldReader } from '../fields.ts';
import { closeHandle, type FileHandle, nextJournalHandle, type WritableFile } from '../handles.ts';
import { maxDataBytes, openFlag, statusCode } from '../protocol.ts';
import { attributesReply, dataReply, handleReply, okReply, statusReply } from '../replies.ts';
import { StatusError } from '../status-error.ts';

/** New files of users are not for other accounts of the host to write; the service must be able to read its own. */
export function fileMode(asked: number | undefined): number {
  return ((asked ?? 0o666) & 0o755) | 0o600;
}

/** Whether this OPEN changes anything, or gets a handle that may. */
export function opensForWriting(fields: FieldReader): boolean {
  fields.bytes();
  return (fields.u32() & ~openFlag.read) !== 0;
}

export const open: Handler = (context, id, fields) => {
  const path = fields.path();
  const flags = fields.u32();
  const mode = fileMode(fields.attributes().mode);
  context.handles.assertRoom();
  const writes = (flags & (openFlag.write | openFlag.append)) !== 0;
  const openFlags: OpenFlags = {
    create: writes && (flags & openFlag.create) !== 0,
    exclusive: (flags & openFlag.exclusive) !== 0,
    truncate: writes && (flags & openFlag.truncate) !== 0,
  };
  const handle = context.jail.with(path, { follow: !openFlags.exclusive }, (place): FileHandle => {
    const journalHandle = writes ? nextJournalHandle() : null;
    const change = () => openRegular(place.at, systemFlags(flags, openFlags), mode);
    const openIt = () => {
      if (journalHandle === null) return change();
      const operation: Operation = {
        kind: 'open',
        handle: journalHandle,
        path: place.relative,
        flags: openFlags,
        mode,
      };
      return context.mutations.apply(operation, change, false).result;
    };
    // Also of a file that was there: whoever made it may not have had it acknowledged yet.
    const [fd, directoryFd] = writes ? withDirectories([place], openIt) : [openIt(), null];
    auditOpen(context, place, writes, openFlags);
    return {
      kind: 'file',
      fd,
      journalHandle,
      append: (flags & openFlag.append) !== 0,
      path: place.relative,
      directoryFd: directoryFd?.[0] ?? null,
      openedAtMs: performance.now(),
      bytesRead: 0,
      bytesWritten: 0,
      lastRefusal: '',
    };
  });
  return handleReply(id, context.handles.add(handle));
};

/** A download has its line when it ends; an upload changes something from its beginning. */
function auditOpen({ audit }: SessionContext, place: Place, writes: boolean, flags: OpenFlags): void {
  const level = writes ? 'info' : 'debug';
  audit[level]({ audit: 'open', path: shown(place.relative), writes, ...flags }, 'open');
}

function systemFlags(flags: number, { create, exclusive, truncate }: OpenFlags): number {
  const reads = (flags & openFlag.read) !== 0;
  const writes = (flags & (openFlag.write | openFlag.append)) !== 0;
  const access = writes ? (reads ? constants.O_RDWR : constants.O_WRONLY) : constants.O_RDONLY;
  return (
    access |
    constants.O_NOFOLLOW |
    // A FIFO that somebody put there must not stop the process.
    constants.O_NONBLOCK |
    (create ? constants.O_CREAT : 0) |
    (create && exclusive ? constants.O_EXCL : 0) |
    (truncate ? constants.O_TRUNC : 0)
  );
}

function openRegular(at: Buffer, flags: number, mode: number): number {
  const fd = openSync(at, flags, mode);
  const stats = fstatSync(fd);
  if (stats.isFile()) return fd;
  closeSync(fd);
  throw new StatusError(
    statusCode.failure,
    stats.isDirectory() ? 'It is a directory' : 'It is not a regular file',
  );
}

/** The CLOSE of a file that was open for writing changes its times, and is what makes it durable (G3). */
export function closesWritten(fields: FieldReader, { handles }: SessionContext): boolean {
  const handle = handles.get(fields.bytes());
  return handle.kind === 'file' && handle.journalHandle !== null;
}

export const close: Handler = (context, id, fields) => {
  const name = fields.bytes();
  const handle = context.handles.get(name);
  context.handles.remove(name);
  if (handle.kind === 'directory' || handle.journalHandle === null) {
    closeHandle(handle);
    if (handle.kind === 'file') auditTransfer(context, handle);
    return okReply(id);
  }
  return closeWritten(context, id, handle, handle.journalHandle);
};

/** G3: when this is answered, the file is on the disk of this host, and in `sync` mode of every in-sync standby. */
async function closeWritten(
  context: SessionContext,
  id: number,
  handle: FileHandle,
  number: number,
): Promise<Buffer> {
  const fds = descriptorsOf(handle);
  const sequence = orClose(fds, () => {
    settleTimes(context, handle, number);
    return context.mutations.record({ kind: 'close', handle: number }, true);
  });
  try {
    await context.mutations.durable(sequence, () => syncAndClose(fds));
  } catch (error) {
    auditTransfer(context, handle, 'unacknowledged');
    throw error;
  }
  auditTransfer(context, handle);
  return okReply(id);
}

/** What has to be on disk before the file is there for good. */
function descriptorsOf({ fd, directoryFd }: FileHandle): number[] {
  return directoryFd === null ? [fd] : [fd, directoryFd];
}

/**
 * The kernel gave the file its time when it was written, and gives the copies theirs a little later. So the time is
 * cut to milliseconds and set, here and there: a client that mirrors by date sees no difference after a failover.
 */
function settleTimes({ mutations }: SessionContext, handle: FileHandle, number: number): void {
  const { atimeMs, mtimeMs } = fstatSync(handle.fd);
  const [accessedAt, modifiedAt] = [Math.floor(atimeMs) / 1000, Math.floor(mtimeMs) / 1000];
  futimesSync(handle.fd, accessedAt, modifiedAt);
  const operation = {
    kind: 'set-handle-attributes',
    handle: number,
    attributes: { accessedAt, modifiedAt },
  } as const;
  mutations.record(operation, false);
}

/** A CLOSE that is not permitted: as with close(2), the handle is gone all the same. */
export function closeRefused(context: SessionContext, fields: FieldReader): void {
  const name = fields.bytes();
  const handle = context.handles.file(name);
  context.handles.remove(name);
  release(context, handle);
}

/** The session ended: what came of files still open is kept, so that the client can resume. */
export async function abandon(context: SessionContext): Promise<void> {
  const { handles, mutations } = context;
  try {
    // During a hold the journal has been told which files are open: they stay so until it ends.
    if (handles.files.some(({ journalHandle }) => journalHandle !== null))
      await mutations.permission({ patienceMs: 0 }).catch(() => {});
    for (const handle of handles.files) {
      handles.drop(handle);
      release(context, handle);
    }
  } finally {
    handles.closeAll();
  }
}

/** Once the gate is shut nothing is journalled any more: another host may lead, and it closes what it got half. */
function release(context: SessionContext, handle: FileHandle): void {
  const { mutations } = context;
  const { journalHandle } = handle;
  const isOpenThere = journalHandle !== null && mutations.recordable;
  try {
    if (isOpenThere && mutations.permitted) settleTimes(context, handle, journalHandle);
  } finally {
    if (isOpenThere) mutations.record({ kind: 'close', handle: journalHandle }, false);
    closeHandle(handle);
    auditTransfer(context, handle, 'interrupted');
  }
}

function auditTransfer({ audit }: SessionContext, handle: FileHandle, outcome = 'complete'): void {
  const { path, bytesRead, bytesWritten, openedAtMs } = handle;
  const durationMs = Math.round(performance.now() - openedAtMs);
  const event = handle.journalHandle === null ? 'download' : 'upload';
  audit.info({ audit: event, path: shown(path), bytesRead, bytesWritten, durationMs, outcome }, event);
}

export const read: Handler = (context, id, fields) => {
  const handle = context.handles.file(fields.bytes());
  const offset = fields.u64();
  const length = Math.min(fields.u32(), maxDataBytes);
  const reply = dataReply(id, length);
  const bytesRead = readSync(handle.fd, reply.room, 0, length, offset);
  if (bytesRead === 0 && length > 0) return statusReply(id, statusCode.endOfFile, 'End of file');
  handle.bytesRead += bytesRead;
  return reply.packet(bytesRead);
};

/** One piece of a WRITE; its reply comes after the last. Journals what was written, also when the disk fills up. */
export function writePiece(
  context: SessionContext,
  handle: WritableFile,
  offset: number,
  data: Buffer,
): void {
  const at = handle.append ? fstatSync(handle.fd).size : offset;
  let done = 0;
  try {
    while (done < data.length) done += writeSync(handle.fd, data, done, data.length - done, at + done);
  } finally {
    if (done > 0) {
      const written = done === data.length ? data : data.subarray(0, done);
      context.mutations.record(
        { kind: 'write', handle: handle.journalHandle, offset: at, data: written },
        false,
      );
      handle.bytesWritten += done;
    }
  }
}

/** A WRITE that cannot be streamed: its fields do not fit its packet, or its handle is none that we gave. */
export const refuseWrite: Handler = (context, _id, fields) => {
  const name = fields.bytes();
  fields.u64();
  fields.bytes();
  context.handles.writableFile(name);
  throw new StatusError(statusCode.badMessage, 'The WRITE is malformed');
};

export const fstat: Handler = (context, id, fields) =>
  attributesReply(id, fstatSync(context.handles.get(fields.bytes()).fd));

export const fsetstat: Handler = async (context, id, fields) => {
  const handle = context.handles.writableFile(fields.bytes());
  const attributes = settable(fields);
  const { sequence } = context.mutations.apply(
    { kind: 'set-handle-attributes', handle: handle.journalHandle, attributes },
    () => setAttributes(handle.fd, attributes),
    true,
  );
  context.audit.info(
    { audit: 'setstat', path: shown(handle.path), ...shownAttributes(attributes) },
    'setstat',
  );
  await context.mutations.durable(sequence, () => syncFile(handle.fd));
  return okReply(id);
};

export const fsyncHandle: Handler = async (context, id, fields) => {
  const handle = context.handles.file(fields.bytes());
  if (handle.journalHandle === null) {
    await syncFile(handle.fd);
    return okReply(id);
  }
  const sequence = context.mutations.record({ kind: 'sync', handle: handle.journalHandle }, true);
  await context.mutations.durable(sequence, () => syncAll(descriptorsOf(handle)));
  return okReply(id);
};

/** What a client may set. @throws StatusError when it asks for owner or group and nothing else */
export function settable(fields: FieldReader): Attributes {
  const { hasOwner, ...attributes } = fields.attributes();
  if (hasOwner && Object.keys(attributes).length === 0) {
    throw new StatusError(statusCode.permissionDenied, 'Owner and group cannot be changed here');
  }
  return attributes.mode === undefined
    ? attributes
    : { ...attributes, mode: (attributes.mode & 0o777) | 0o600 };
}

export function setAttributes(fd: number, { size, mode, accessedAt, modifiedAt }: Attributes): void {
  if (size !== undefined) ftruncateSync(fd, size);
  if (mode !== undefined) fchmodSync(fd, mode);
  if (accessedAt !== undefined && modifiedAt !== undefined) futimesSync(fd, accessedAt, modifiedAt);
}
