import { type Subject, shown } from './audit.ts';
import type { Handler, SessionContext } from './context.ts';
import { FieldReader, FieldWriter } from './fields.ts';
import { changing } from './handlers/changes.ts';
import * as directories from './handlers/directories.ts';
import * as files from './handlers/files.ts';
import * as names from './handlers/names.ts';
import { maxDataBytes, maxOpenHandles, maxPacketBytes, packetType, statusCode } from './protocol.ts';
import { extendedReply } from './replies.ts';
import { StatusError } from './status-error.ts';

type Test = (fields: FieldReader, context: SessionContext) => boolean;
type About = (fields: FieldReader, context: SessionContext) => Subject;

const onePath: About = (fields) => ({ asked: [shown(fields.path())] });
const twoPaths: About = (fields) => ({ asked: [shown(fields.path()), shown(fields.path())] });
const openFile: About = (fields, { handles }) => ({ path: shown(handles.file(fields.bytes()).path) });

/** One kind of request, with its privilege: whether it changes anything, and so needs the write gate (G1). */
export interface Request {
  readonly name: string;
  readonly mutates: boolean | Test;
  readonly handle: Handler;
  /** What it is about, for the audit log. */
  readonly about?: About;
  /** Starts a transfer: it waits while admission is closed, for a hand-over. */
  readonly needsAdmission?: boolean;
  /** What is done all the same when the change is not permitted. */
  readonly refused?: (context: SessionContext, fields: FieldReader) => void;
}

const requests: Record<number, Request> = {
  [packetType.open]: {
    name: 'open',
    mutates: files.opensForWriting,
    handle: files.open,
    about: onePath,
    needsAdmission: true,
  },
  [packetType.close]: {
    name: 'close',
    mutates: files.closesWritten,
    handle: files.close,
    about: openFile,
    refused: files.closeRefused,
  },
  [packetType.write]: { name: 'write', mutates: false, handle: files.refuseWrite },
  [packetType.read]: { name: 'read', mutates: false, handle: files.read, about: openFile },
  [packetType.lstat]: { name: 'lstat', mutates: false, handle: names.lstat, about: onePath },
  [packetType.fstat]: { name: 'fstat', mutates: false, handle: files.fstat, about: openFile },
  [packetType.setstat]: { name: 'setstat', mutates: true, handle: changing('setstat'), about: onePath },
  [packetType.fsetstat]: { name: 'fsetstat', mutates: true, handle: changing('fsetstat'), about: openFile },
  [packetType.opendir]: { name: 'opendir', mutates: false, handle: directories.opendir, about: onePath },
  [packetType.readdir]: { name: 'readdir', mutates: false, handle: directories.readdir },
  [packetType.remove]: { name: 'remove', mutates: true, handle: changing('remove'), about: onePath },
  [packetType.mkdir]: { name: 'mkdir', mutates: true, handle: changing('mkdir'), about: onePath },
  [packetType.rmdir]: { name: 'rmdir', mutates: true, handle: changing('rmdir'), about: onePath },
  [packetType.realpath]: { name: 'realpath', mutates: false, handle: names.realpath, about: onePath },
  [packetType.stat]: { name: 'stat', mutates: false, handle: names.stat, about: onePath },
  [packetType.rename]: { name: 'rename', mutates: true, handle: changing('rename'), about: twoPaths },
  [packetType.readlink]: { name: 'readlink', mutates: false, handle: names.readlink, about: onePath },
  [packetType.symlink]: { name: 'symlink', mutates: true, handle: changing('symlink'), about: twoPaths },
};

const limits: Handler = (_context, id) => {
  const writer = new FieldWriter()
    .u64(maxPacketBytes)
    .u64(maxDataBytes)
    .u64(maxDataBytes)
    .u64(maxOpenHandles);
  return extendedReply(id, writer.packet(0).subarray(5));
};

const extendedRequests: Record<string, Request> = {
  'posix-rename@openssh.com': {
    name: 'posix-rename',
    mutates: true,
    handle: changing('posix-rename'),
    about: twoPaths,
  },
  'hardlink@openssh.com': { name: 'hardlink', mutates: true, handle: changing('hardlink'), about: twoPaths },
  'fsync@openssh.com': { name: 'fsync', mutates: true, handle: files.fsync, about: openFile },
  'lsetstat@openssh.com': { name: 'lsetstat', mutates: true, handle: names.lsetstat, about: onePath },
  'statvfs@openssh.com': { name: 'statvfs', mutates: false, handle: names.statvfs, about: onePath },
  'fstatvfs@openssh.com': { name: 'fstatvfs', mutates: false, handle: names.fstatvfs },
  'limits@openssh.com': { name: 'limits', mutates: false, handle: limits },
};

export interface ParsedRequest {
  readonly id: number;
  readonly request: Request;
  readonly mutates: boolean;
  readonly fields: FieldReader;
  /** What it names, as far as it can be read. Keeps the packet alive. */
  readonly subject: () => Subject;
}

/**
 * Finds the row of a packet. What else is wrong with it is for its handler to refuse.
 * @throws StatusError badMessage when it has no id: then nothing can be answered
 */
export function parseRequest(context: SessionContext, type: number, body: Buffer): ParsedRequest {
  const fields = new FieldReader(body);
  const id = fields.u32();
  const request = type === packetType.extended ? extendedRequest(fields) : (requests[type] ?? unsupported);
  const { mutates, about } = request;
  // Now: the handler reads on in `fields`.
  const { rest } = fields;
  const look = <Result>(read: (fields: FieldReader, context: SessionContext) => Result, unread: Result) =>
    looksAhead(() => read(new FieldReader(rest), context), unread);
  const needsGate = typeof mutates === 'function' ? look(mutates, false) : mutates;
  return { id, request, mutates: needsGate, fields, subject: () => (about ? look(about, {}) : {}) };
}

function extendedRequest(fields: FieldReader): Request {
  const name = looksAhead(() => fields.text(), null);
  if (name === null) return malformed;
  return (Object.hasOwn(extendedRequests, name) ? extendedRequests[name] : undefined) ?? unsupported;
}

/** A packet too short to tell is handled, and refused, by its handler. */
function looksAhead<Result>(read: () => Result, unread: Result): Result {
  try {
    return read();
  } catch {
    return unread;
  }
}

const unsupported: Request = {
  name: 'unsupported',
  mutates: false,
  handle: () => {
    throw new StatusError(statusCode.operationUnsupported, 'The server does not know this request');
  },
};

const malformed: Request = {
  name: 'malformed',
  mutates: false,
  handle: () => {
    throw new StatusError(statusCode.badMessage, 'The name of the extended request cannot be read');
  },
};
