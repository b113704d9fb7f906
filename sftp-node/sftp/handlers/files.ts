import { closeSync, constants, fstatSync, fsync as fsyncLater, openSync, readSync } from 'node:fs';
import { promisify } from 'node:util';
import type { Change } from '#contracts/engine/message.ts';
import { SessionLost } from '../../engine/errors.ts';
import type { Opened } from '../../engine/ports.ts';
import { changeOf } from '../../engine/sftp-changes.ts';
import { shown } from '../audit.ts';
import type { Handler, SessionContext } from '../context.ts';
import { FieldReader } from '../fields.ts';
import { closeHandle, type FileHandle } from '../handles.ts';
import { maxDataBytes, openFlag, statusCode } from '../protocol.ts';
import { attributesReply, dataReply, handleReply, okReply, statusReply } from '../replies.ts';
import { StatusError } from '../status-error.ts';
import { lookupsIn } from './changes.ts';

const syncFile = promisify(fsyncLater);

/** Whoever put a FIFO there must not stop the process. */
const readFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Whether this OPEN changes anything, or gets a handle that may. */
export function opensForWriting(fields: FieldReader): boolean {
  fields.bytes();
  return (fields.u32() & ~openFlag.read) !== 0;
}

export const open: Handler = (context, id, fields) => {
  context.handles.assertRoom();
  const change = changeOf('open', new FieldReader(fields.rest), lookupsIn(context));
  return change !== 'reads' && change.kind === 'open'
    ? openToWrite(context, id, change)
    : openToRead(context, id, fields.path());
};

function openToRead({ jail, handles, audit }: SessionContext, id: number, path: Buffer): Buffer {
  const handle = jail.with(path, { follow: true }, (place) => {
    const fd = openRegular(place.at);
    audit.debug({ audit: 'open', path: shown(place.relative), writes: false }, 'open');
    return { ...newHandle(place.relative), fd };
  });
  return handleReply(id, handles.add(handle));
}

async function openToWrite(
  context: SessionContext,
  id: number,
  change: Extract<Change, { kind: 'open' }>,
): Promise<Buffer> {
  const { engine, handles, audit } = context;
  const opened = await engine.open(change);
  const { create, exclusive, truncate } = change.flags;
  const handle: FileHandle = {
    ...newHandle(opened.path),
    fd: fdOf(context, opened),
    engineHandle: opened.handle,
  };
  if (handles.isClosed) {
    // The session ended meanwhile, and the engine closed its handles.
    closeHandle(handle);
    throw new SessionLost('the session is over');
  }
  audit.info({ audit: 'open', path: shown(opened.path), writes: true, create, exclusive, truncate }, 'open');
  return handleReply(id, handles.add(handle));
}

function newHandle(path: Buffer): FileHandle {
  return {
    kind: 'file',
    fd: null,
    engineHandle: null,
    path,
    openedAtMs: performance.now(),
    bytesRead: 0,
    bytesWritten: 0,
    lastRefusal: '',
  };
}

/** For what is read of a file that the engine opened; null when another file has its name by now. */
function fdOf({ tree }: SessionContext, { path, device, inode }: Opened): number | null {
  try {
    const fd = tree.with(path, { follow: false }, (place) => openSync(place.at, readFlags));
    const stats = fstatSync(fd, { bigint: true });
    if (stats.dev === device && stats.ino === inode) return fd;
    closeSync(fd);
  } catch {
    // It was renamed or removed meanwhile.
  }
  return null;
}

function openRegular(at: Buffer): number {
  const fd = openSync(at, readFlags);
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
  return handle.kind === 'file' && handle.engineHandle !== null;
}

export const close: Handler = (context, id, fields) => {
  const name = fields.bytes();
  const handle = context.handles.get(name);
  context.handles.remove(name);
  closeHandle(handle);
  if (handle.kind === 'directory') return okReply(id);
  if (handle.engineHandle !== null) return closeWritten(context, id, handle, handle.engineHandle);
  auditTransfer(context, handle);
  return okReply(id);
};

/** G3: when this is answered, the file is on the disk of this host, and in `sync` mode of every in-sync standby. */
async function closeWritten(
  context: SessionContext,
  id: number,
  file: FileHandle,
  handle: number,
): Promise<Buffer> {
  try {
    await context.engine.change({ kind: 'close', handle });
  } catch (error) {
    auditTransfer(context, file, 'unacknowledged');
    throw error;
  }
  auditTransfer(context, file);
  return okReply(id);
}

/** A CLOSE that is not permitted: as with close(2), the handle is gone all the same. */
export function closeRefused(context: SessionContext, fields: FieldReader): void {
  const name = fields.bytes();
  const file = context.handles.file(name);
  context.handles.remove(name);
  closeHandle(file);
  // Nobody waits for what becomes of it.
  if (file.engineHandle !== null) {
    context.engine.change({ kind: 'close', handle: file.engineHandle }).catch(() => {});
  }
  auditTransfer(context, file, 'interrupted');
}

/** The session ended: what came of files still open is kept by the engine, so that the client can resume. */
export function abandon(context: SessionContext): void {
  const { files } = context.handles;
  context.handles.closeAll();
  for (const file of files) auditTransfer(context, file, 'interrupted');
  // Nobody waits for it, and it may take as long as the standbys do.
  void context.engine.end();
}

function auditTransfer({ audit }: SessionContext, handle: FileHandle, outcome = 'complete'): void {
  const { path, bytesRead, bytesWritten, openedAtMs } = handle;
  const durationMs = Math.round(performance.now() - openedAtMs);
  const event = handle.engineHandle === null ? 'download' : 'upload';
  audit.info({ audit: event, path: shown(path), bytesRead, bytesWritten, durationMs, outcome }, event);
}

export const read: Handler = (context, id, fields) => {
  const handle = context.handles.file(fields.bytes());
  const offset = fields.u64();
  const length = Math.min(fields.u32(), maxDataBytes);
  const reply = dataReply(id, length);
  const bytesRead = readSync(readable(handle), reply.room, 0, length, offset);
  if (bytesRead === 0 && length > 0) return statusReply(id, statusCode.endOfFile, 'End of file');
  handle.bytesRead += bytesRead;
  return reply.packet(bytesRead);
};

/** A WRITE that cannot be streamed: its fields do not fit its packet, or its handle is none that we gave. */
export const refuseWrite: Handler = (context, _id, fields) => {
  const name = fields.bytes();
  fields.u64();
  fields.bytes();
  context.handles.writableFile(name);
  throw new StatusError(statusCode.badMessage, 'The WRITE is malformed');
};

export const fstat: Handler = (context, id, fields) => {
  const handle = context.handles.get(fields.bytes());
  return attributesReply(id, fstatSync(handle.kind === 'file' ? readable(handle) : handle.fd));
};

function readable({ fd }: FileHandle): number {
  if (fd === null) throw new StatusError(statusCode.noSuchFile, 'Another file has its name by now');
  return fd;
}

export const fsync: Handler = async (context, id, fields) => {
  const file = context.handles.file(fields.bytes());
  if (file.engineHandle !== null) await context.engine.change({ kind: 'sync', handle: file.engineHandle });
  // Others wrote it: it is durable on the standbys with their own requests.
  else await syncFile(readable(file));
  return okReply(id);
};
