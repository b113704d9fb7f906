import type { Handler, SessionContext } from './context.ts';
import { FieldReader, FieldWriter } from './fields.ts';
import * as directories from './handlers/directories.ts';
import * as files from './handlers/files.ts';
import * as names from './handlers/names.ts';
import { maxDataBytes, maxOpenHandles, maxPacketBytes, packetType, statusCode } from './protocol.ts';
import { extendedReply } from './replies.ts';
import { StatusError } from './status-error.ts';

type Test = (fields: FieldReader, context: SessionContext) => boolean;

/** One kind of request, with its privilege: whether it changes anything, and so needs the write gate (G1). */
export interface Request {
  readonly name: string;
  readonly mutates: boolean | Test;
  readonly handle: Handler;
  /** Begins a transfer, which waits while the service moves away. */
  readonly begins?: boolean;
  /** What is done all the same when the change is not permitted. */
  readonly refused?: (context: SessionContext, fields: FieldReader) => void;
}

const requests: Record<number, Request> = {
  [packetType.open]: { name: 'open', mutates: files.opensForWriting, handle: files.open, begins: true },
  [packetType.close]: {
    name: 'close',
    mutates: files.closesWritten,
    handle: files.close,
    refused: files.giveUp,
  },
  [packetType.read]: { name: 'read', mutates: false, handle: files.read },
  [packetType.lstat]: { name: 'lstat', mutates: false, handle: names.lstat },
  [packetType.fstat]: { name: 'fstat', mutates: false, handle: files.fstat },
  [packetType.setstat]: { name: 'setstat', mutates: true, handle: names.setstat },
  [packetType.fsetstat]: { name: 'fsetstat', mutates: true, handle: files.fsetstat },
  [packetType.opendir]: { name: 'opendir', mutates: false, handle: directories.opendir },
  [packetType.readdir]: { name: 'readdir', mutates: false, handle: directories.readdir },
  [packetType.remove]: { name: 'remove', mutates: true, handle: names.remove },
  [packetType.mkdir]: { name: 'mkdir', mutates: true, handle: directories.mkdir },
  [packetType.rmdir]: { name: 'rmdir', mutates: true, handle: directories.rmdir },
  [packetType.realpath]: { name: 'realpath', mutates: false, handle: names.realpath },
  [packetType.stat]: { name: 'stat', mutates: false, handle: names.stat },
  [packetType.rename]: { name: 'rename', mutates: true, handle: names.rename },
  [packetType.readlink]: { name: 'readlink', mutates: false, handle: names.readlink },
  [packetType.symlink]: { name: 'symlink', mutates: true, handle: names.symlink },
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
  'posix-rename@openssh.com': { name: 'posix-rename', mutates: true, handle: names.posixRename },
  'hardlink@openssh.com': { name: 'hardlink', mutates: true, handle: names.hardlink },
  'fsync@openssh.com': { name: 'fsync', mutates: true, handle: files.fsyncHandle },
  'lsetstat@openssh.com': { name: 'lsetstat', mutates: true, handle: names.lsetstat },
  'statvfs@openssh.com': { name: 'statvfs', mutates: false, handle: names.statvfs },
  'fstatvfs@openssh.com': { name: 'fstatvfs', mutates: false, handle: names.fstatvfs },
  'limits@openssh.com': { name: 'limits', mutates: false, handle: limits },
};

export interface ParsedRequest {
  readonly id: number;
  readonly request: Request;
  readonly mutates: boolean;
  readonly fields: FieldReader;
}

/** Finds the row of a packet. @throws StatusError badMessage when it has no id: then nothing can be answered */
export function parseRequest(context: SessionContext, type: number, body: Buffer): ParsedRequest {
  const fields = new FieldReader(body);
  const id = fields.u32();
  let request = requests[type];
  let fieldsAt = 4;
  if (type === packetType.extended) {
    const name = fields.text();
    fieldsAt += 4 + name.length;
    request = Object.hasOwn(extendedRequests, name) ? extendedRequests[name] : undefined;
  }
  request ??= unsupported;
  const { mutates } = request;
  const needsGate =
    typeof mutates === 'function' ? looksAhead(mutates, context, body.subarray(fieldsAt)) : mutates;
  return { id, request, mutates: needsGate, fields };
}

/** A packet too short to tell is handled, and refused, by its handler. */
function looksAhead(mutates: Test, context: SessionContext, rest: Buffer): boolean {
  try {
    return mutates(new FieldReader(rest), context);
  } catch {
    return false;
  }
}

const unsupported: Request = {
  name: 'unsupported',
  mutates: false,
  handle: () => {
    throw new StatusError(statusCode.operationUnsupported, 'The server does not know this request');
  },
};
