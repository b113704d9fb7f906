import { ByteReader, ByteWriter, FormatError } from '../bytes.ts';
import { encodeFrameWithin, type Frame } from '../frames.ts';
import {
  readAttributes,
  readFlags,
  readGrant,
  readMode,
  readName,
  readPath,
  writeAttributes,
  writeFlags,
  writeGrant,
  writeMode,
  writeName,
  writePath,
} from './fields.ts';
import { maxRequestFrameBytes, maxWriteBytes } from './limits.ts';
import type { DataRequest, Request, SessionRequest, ToEngine } from './message.ts';
import { engineMagic } from './version.ts';

/**
 * The binary form of what a door says: frames (contracts/frames.ts) of the message's number here and its fields in order.
 * Requests of a session begin with `u32 session | u32 request`. Numbers 20 to 22 are kept for reading by the engine where
 * a mode forbids it to the door (J2), copying within the server, and publishing atomically.
 */
const typeOf = {
  hello: 1,
  ping: 2,
  'begin-session': 3,
  'end-session': 4,
  'read-barrier': 5,
  write: 6,
  append: 7,
  open: 8,
  'set-handle-attributes': 9,
  close: 10,
  sync: 11,
  'set-attributes': 12,
  rename: 13,
  remove: 14,
  mkdir: 15,
  rmdir: 16,
  symlink: 17,
  link: 18,
} as const satisfies Record<ToEngine['kind'], number>;

const kindOf = new Map<number, ToEngine['kind']>(
  Object.entries(typeOf).map(([kind, type]) => [type, kind as ToEngine['kind']]),
);

/** @throws FormatError when a field is beyond its bound */
export function encodeToEngine(message: ToEngine): Buffer[] {
  const writer = new ByteWriter();
  const type = typeOf[message.kind];
  if (message.kind === 'hello') {
    const { versions, epoch, door } = message;
    writer.raw(engineMagic).u16(versions.lowest).u16(versions.highest).u64(epoch);
    return frame(type, writeName(writer, door));
  }
  if (message.kind === 'ping') return frame(type, writer.u32(message.number));
  if (message.kind === 'write' || message.kind === 'append')
    return encodeData(message, message, [message.data]);
  writer.u32(message.session).u32(message.request);
  writeRequest(writer, message);
  return frame(type, writer);
}

/** A WRITE whose data lies in pieces, which are not copied. `data` of the request is not looked at. */
export function encodeData(
  { session, request }: { readonly session: number; readonly request: number },
  target: { readonly handle: number } & (
    | { readonly kind: 'write'; readonly offset: number }
    | { readonly kind: 'append' }
  ),
  pieces: readonly Buffer[],
): Buffer[] {
  const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
  if (bytes === 0 || bytes > maxWriteBytes)
    throw new FormatError(`data of ${bytes} bytes: 1 to ${maxWriteBytes} are taken`);
  const writer = new ByteWriter(24).u32(session).u32(request).u32(target.handle);
  if (target.kind === 'write') {
    if (!Number.isSafeInteger(target.offset + bytes)) throw new FormatError('a write that ends beyond 2^53');
    writer.u64(target.offset);
  }
  return encodeFrameWithin(maxRequestFrameBytes, typeOf[target.kind], writer.finish(), ...pieces);
}

/** Buffers in the message are views of the frame. @throws FormatError */
export function decodeToEngine({ type, body }: Frame): ToEngine {
  const kind = kindOf.get(type);
  if (kind === undefined) throw new FormatError(`unknown message type ${type}`);
  const reader = new ByteReader(body);
  const message = readMessage(kind, reader);
  reader.end();
  return message;
}

function readMessage(kind: ToEngine['kind'], reader: ByteReader): ToEngine {
  if (kind === 'hello') {
    if (!reader.raw(engineMagic.length, 'magic').equals(engineMagic)) throw new FormatError('it is no door');
    const versions = { lowest: reader.u16('lowest version'), highest: reader.u16('highest version') };
    return { kind, versions, epoch: reader.u64('epoch'), door: readName(reader, 'door') };
  }
  if (kind === 'ping') return { kind, number: reader.u32('number') };
  const session = reader.u32('session');
  const request = reader.u32('request');
  if (kind === 'write' || kind === 'append') return { ...readData(kind, reader), session, request };
  return { ...readRequest(kind, reader), session, request };
}

function readData(kind: DataRequest['kind'], reader: ByteReader): DataRequest {
  const handle = reader.u32('handle');
  if (kind === 'append') return { kind, handle, data: boundedData(reader.rest()) };
  const offset = reader.u64('offset');
  const data = boundedData(reader.rest());
  if (!Number.isSafeInteger(offset + data.length)) throw new FormatError('a write that ends beyond 2^53');
  return { kind, handle, offset, data };
}

function boundedData(data: Buffer): Buffer {
  if (data.length > 0 && data.length <= maxWriteBytes) return data;
  throw new FormatError(`data of ${data.length} bytes: 1 to ${maxWriteBytes} are taken`);
}

type Plain = Exclude<SessionRequest['kind'], DataRequest['kind']>;

function writeRequest(writer: ByteWriter, request: Request): void {
  switch (request.kind) {
    case 'begin-session':
      writeGrant(writer, request.grant);
      return;
    case 'end-session':
    case 'read-barrier':
    case 'write':
    case 'append':
      return;
    case 'open':
      writeMode(writeFlags(writePath(writer, request.path), request.flags), request.mode);
      return;
    case 'set-handle-attributes':
      writeAttributes(writer.u32(request.handle), request.attributes);
      return;
    case 'close':
    case 'sync':
      writer.u32(request.handle);
      return;
    case 'set-attributes':
      writeAttributes(writePath(writer, request.path).flag(request.follow), request.attributes);
      return;
    case 'rename':
      writePath(writePath(writer, request.from), request.to).flag(request.replace);
      return;
    case 'remove':
    case 'rmdir':
      writePath(writer, request.path);
      return;
    case 'mkdir':
      writeMode(writePath(writer, request.path), request.mode);
      return;
    case 'symlink':
      writePath(writePath(writer, request.path), request.target);
      return;
    case 'link':
      writePath(writePath(writer, request.existing), request.path);
  }
}

function readRequest(kind: Plain, reader: ByteReader): Exclude<Request, DataRequest> {
  switch (kind) {
    case 'begin-session':
      return { kind, grant: readGrant(reader) };
    case 'end-session':
    case 'read-barrier':
      return { kind };
    case 'open':
      return { kind, path: readPath(reader, 'path'), flags: readFlags(reader), mode: readMode(reader) };
    case 'set-handle-attributes':
      return { kind, handle: reader.u32('handle'), attributes: readAttributes(reader) };
    case 'close':
    case 'sync':
      return { kind, handle: reader.u32('handle') };
    case 'set-attributes':
      return {
        kind,
        path: readPath(reader, 'path'),
        follow: reader.flag('follow'),
        attributes: readAttributes(reader),
      };
    case 'rename':
      return {
        kind,
        from: readPath(reader, 'from'),
        to: readPath(reader, 'to'),
        replace: reader.flag('replace'),
      };
    case 'remove':
    case 'rmdir':
      return { kind, path: readPath(reader, 'path') };
    case 'mkdir':
      return { kind, path: readPath(reader, 'path'), mode: readMode(reader) };
    case 'symlink':
      return { kind, path: readPath(reader, 'path'), target: readPath(reader, 'target') };
    case 'link':
      return { kind, existing: readPath(reader, 'existing'), path: readPath(reader, 'path') };
  }
}

function frame(type: number, writer: ByteWriter): Buffer[] {
  return encodeFrameWithin(maxRequestFrameBytes, type, writer.finish());
}
