import type * as z from 'zod';
import { ByteReader, ByteWriter, FormatError } from '#contracts/bytes.ts';
import { encodeFrameWithin, type Frame } from '#contracts/frames.ts';
import type { EntriesPage, NameAnswer } from '../core/answers.ts';
import type { LogPosition } from '../core/position.ts';
import type { EntryTimes } from '../core/tree.ts';
import type { TreePath } from '../core/uncertain-names.ts';
import { readList, readMode, readPath, readTarget, writeList, writeMode } from '../log/fields.ts';
import { fromKey, maxPathBytes, toKey } from '../tree/path.ts';
import { encodeBatchFrame, readBatchFrame } from './batch-frame.ts';
import { configFrameSchema, controlToFollowerSchema, controlToLeaderSchema } from './control.ts';
import { limits } from './limits.ts';
import type { BatchToSend, ToFollower, ToLeader, WantFrame } from './messages.ts';

/** Types with this bit may be passed over by who does not know them. */
export const ignorableFrameBit = 0x80;

export const frameType = {
  control: 1,
  config: 2,
  batch: 3,
  name: 4,
  entries: 5,
  opened: 6,
  content: 7,
  digest: 8,
  answered: 9,
  flush: 10,
  barrier: 11,
  received: 16,
  flushed: 17,
  want: 18,
  passed: 19,
  /** The sender lives; no body. */
  alive: 130,
} as const;

const answerKind = { absent: 0, directory: 1, symlink: 2, file: 3 } as const;
const wantKind = { 'want-name': 0, 'want-entries': 1, 'want-content': 2, 'want-digest': 3 } as const;
const wantKinds = Object.keys(wantKind) as WantFrame['type'][];

/** @throws FormatError when a field is out of its bounds */
export function encodeToFollower(message: ToFollower | BatchToSend): Buffer[] {
  switch (message.type) {
    case 'batch':
      return frame(frameType.batch, ...encodeBatchFrame(message.payload, message.data));
    case 'name':
      return frame(frameType.name, writeAnswer(new ByteWriter(64).u32(message.id), message.answer).finish());
    case 'entries':
      return frame(frameType.entries, writePage(new ByteWriter(1024).u32(message.id), message.page).finish());
    case 'opened':
    case 'answered':
      return frame(frameType[message.type], new ByteWriter(4).u32(message.id).finish());
    case 'content':
      if (message.data.length > limits.contentPiece) throw new FormatError('a piece that is too long');
      return frame(
        frameType.content,
        new ByteWriter(12).u32(message.id).u64(message.offset).finish(),
        message.data,
      );
    case 'digest': {
      const { id, from, to, blockBytes, digests } = message;
      const writer = new ByteWriter(24 + 32 * digests.length).u32(id).u64(from).u64(to).u32(blockBytes);
      for (const digest of digests) writer.raw(digest);
      return frame(frameType.digest, writer.finish());
    }
    case 'flush':
    case 'barrier':
      return frame(frameType[message.type], new ByteWriter(8).u64(message.sequence).finish());
    case 'config':
      return json(frameType.config, limits.config, message);
    default:
      return json(frameType.control, limits.control, message);
  }
}

/** @throws FormatError when a field is out of its bounds */
export function encodeToLeader(message: ToLeader): Buffer[] {
  switch (message.type) {
    case 'received':
      return frame(frameType.received, writePosition(new ByteWriter(16), message.position).finish());
    case 'flushed':
      return frame(
        frameType.flushed,
        writePosition(new ByteWriter(17), message.position).flag(message.complete).finish(),
      );
    case 'passed':
      return frame(frameType.passed, new ByteWriter(8).u64(message.sequence).finish());
    case 'want-name':
    case 'want-entries':
    case 'want-content':
    case 'want-digest':
      return frame(frameType.want, writeWant(message).finish());
    default:
      return json(frameType.control, limits.control, message);
  }
}

/**
 * Buffers are views of the frame.
 * @returns null for what may be passed over
 * @throws FormatError
 */
export function decodeToFollower({ type, body }: Frame): ToFollower | null {
  const reader = new ByteReader(body);
  switch (type) {
    case frameType.control:
      return parse(controlToFollowerSchema, limits.control, body);
    case frameType.config:
      return parse(configFrameSchema, limits.config, body);
    case frameType.batch:
      return { type: 'batch', ...readBatchFrame(reader) };
    case frameType.name:
      return whole(reader, { type: 'name', id: reader.u32('request'), answer: readAnswer(reader) });
    case frameType.entries:
      return whole(reader, { type: 'entries', id: reader.u32('request'), page: readPage(reader) });
    case frameType.opened:
      return whole(reader, { type: 'opened', id: reader.u32('request') });
    case frameType.answered:
      return whole(reader, { type: 'answered', id: reader.u32('request') });
    case frameType.content:
      return readContent(reader);
    case frameType.digest:
      return whole(reader, readDigest(reader));
    case frameType.flush:
      return whole(reader, { type: 'flush', sequence: reader.u64('sequence') });
    case frameType.barrier:
      return whole(reader, { type: 'barrier', sequence: reader.u64('sequence') });
    default:
      return passOver(type);
  }
}

/**
 * Buffers are views of the frame.
 * @returns null for what may be passed over
 * @throws FormatError
 */
export function decodeToLeader({ type, body }: Frame): ToLeader | null {
  const reader = new ByteReader(body);
  switch (type) {
    case frameType.control:
      return parse(controlToLeaderSchema, limits.control, body);
    case frameType.received:
      return whole(reader, { type: 'received', position: readPosition(reader) });
    case frameType.flushed: {
      const position = readPosition(reader);
      return whole(reader, { type: 'flushed', position, complete: reader.flag('complete') });
    }
    case frameType.passed:
      return whole(reader, { type: 'passed', sequence: reader.u64('sequence') });
    case frameType.want:
      return whole(reader, readWant(reader));
    default:
      return passOver(type);
  }
}

function passOver(type: number): null {
  if ((type & ignorableFrameBit) === 0) throw new FormatError(`unknown frame type ${type}`);
  return null;
}

function frame(type: number, first: Buffer, ...others: readonly Buffer[]): Buffer[] {
  return encodeFrameWithin(limits.frame, type, first, ...others);
}

function json(type: number, limit: number, message: { readonly type: string }): Buffer[] {
  const body = Buffer.from(JSON.stringify(message));
  if (body.length > limit) throw new FormatError(`a ${message.type} of ${body.length} bytes`);
  return frame(type, body);
}

function parse<Schema extends z.ZodType>(schema: Schema, limit: number, body: Buffer): z.infer<Schema> {
  if (body.length > limit) throw new FormatError(`a control message of ${body.length} bytes`);
  let read: unknown;
  try {
    read = JSON.parse(body.toString('utf8'));
  } catch {
    throw new FormatError('a control message that is not JSON');
  }
  const parsed = schema.safeParse(read);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new FormatError(`a control message: ${issue?.path.join('.')}: ${issue?.message}`);
}

/** The message, when nothing follows it in the frame. */
function whole<Message>(reader: ByteReader, message: Message): Message {
  reader.end();
  return message;
}

function writePosition(writer: ByteWriter, { epoch, sequence }: LogPosition): ByteWriter {
  return writer.u64(epoch).u64(sequence);
}

function readPosition(reader: ByteReader): LogPosition {
  return { epoch: reader.u64('epoch'), sequence: reader.u64('sequence') };
}

function readContent(reader: ByteReader): Extract<ToFollower, { type: 'content' }> {
  const id = reader.u32('request');
  const offset = reader.u64('offset');
  const data = reader.rest();
  if (data.length > limits.contentPiece) throw new FormatError(`a piece of ${data.length} bytes`);
  checkEnd(offset + data.length);
  return { type: 'content', id, offset, data };
}

function readDigest(reader: ByteReader): Extract<ToFollower, { type: 'digest' }> {
  const id = reader.u32('request');
  const from = reader.u64('from');
  const to = reader.u64('to');
  const blockBytes = reader.u32('bytes of a block');
  if (to < from || to - from > limits.digestRange || blockBytes === 0) {
    throw new FormatError(`a comparison of the bytes from ${from} to ${to}`);
  }
  const count = Math.ceil((to - from) / blockBytes);
  if (count * limits.digest !== reader.left) throw new FormatError(`not the digests of ${count} blocks`);
  const digests = Array.from({ length: count }, () => reader.raw(limits.digest, 'digest'));
  return { type: 'digest', id, from, to, blockBytes, digests };
}

function writeWant(want: WantFrame): ByteWriter {
  const writer = new ByteWriter(64).u32(want.id).u8(wantKind[want.type]).bytes(fromKey(want.path));
  if (want.type === 'want-entries') writeOptionalName(writer, want.after);
  else if (want.type !== 'want-name') writer.u64(want.from).u64(want.to);
  return writer;
}

function readWant(reader: ByteReader): WantFrame {
  const id = reader.u32('request');
  const type = wantKinds[reader.u8('kind of request')];
  const path = readTreePath(reader);
  switch (type) {
    case 'want-name':
      return { type, id, path };
    case 'want-entries':
      return { type, id, path, after: readOptionalName(reader) };
    case 'want-content':
    case 'want-digest': {
      const from = reader.u64('from');
      const to = reader.u64('to');
      const most = type === 'want-content' ? limits.contentRange : limits.digestRange;
      if (to <= from || to - from > most) throw new FormatError(`asks for the bytes from ${from} to ${to}`);
      return { type, id, path, from, to };
    }
    default:
      throw new FormatError('an unknown kind of request');
  }
}

function writeAnswer(writer: ByteWriter, answer: NameAnswer): ByteWriter {
  writer.u8(answerKind[answer.kind]);
  switch (answer.kind) {
    case 'absent':
      return writer;
    case 'directory':
      return writeMode(writer, answer.mode);
    case 'symlink':
      return writeTimes(writer.bytes(fromKey(answer.target)), answer.times);
    case 'file':
      writeTimes(writeMode(writer, answer.mode).u64(answer.size), answer.times);
      writeList(writer, namesWithin(answer.names), (path) => writer.bytes(fromKey(path)));
      return writeList(writer, answer.handles.slice(0, limits.answerHandles), (handle) => writer.u64(handle));
  }
}

function writeTimes(writer: ByteWriter, { accessedAtUs, modifiedAtUs }: EntryTimes): ByteWriter {
  return writer.u64(accessedAtUs).u64(modifiedAtUs);
}

function readTimes(reader: ByteReader): EntryTimes {
  return { accessedAtUs: reader.u64('access time'), modifiedAtUs: reader.u64('modification time') };
}

function readAnswer(reader: ByteReader): NameAnswer {
  const kind = reader.u8('kind of answer');
  switch (kind) {
    case answerKind.absent:
      return { kind: 'absent' };
    case answerKind.directory:
      return { kind: 'directory', mode: readMode(reader) };
    case answerKind.symlink:
      return { kind: 'symlink', target: toKey(readTarget(reader)), times: readTimes(reader) };
    case answerKind.file: {
      const mode = readMode(reader);
      const size = reader.u64('size');
      const times = readTimes(reader);
      const names = readList(reader, 'names', 5, () => readTreePath(reader));
      const handles = readList(reader, 'handles', 8, () => reader.u64('handle'));
      return { kind: 'file', mode, size, times, names, handles };
    }
    default:
      throw new FormatError(`an unknown kind of answer ${kind}`);
  }
}

/** As many as may be told. */
function namesWithin(names: readonly TreePath[]): readonly TreePath[] {
  let bytes = 0;
  return names.filter((name) => {
    bytes += name.length + 4;
    return name.length <= maxPathBytes && bytes <= limits.answerNames;
  });
}

function writePage(writer: ByteWriter, page: EntriesPage | null): ByteWriter {
  writer.flag(page !== null);
  if (page === null) return writer;
  if (page.names.length > limits.pageNames) throw new FormatError(`a page of ${page.names.length} names`);
  writeOptionalName(writer, page.after);
  writeOptionalName(writer, page.upTo);
  return writeList(writer, page.names, (name) => writer.bytes(fromKey(name)));
}

function readPage(reader: ByteReader): EntriesPage | null {
  if (!reader.flag('presence of the directory')) return null;
  const after = readOptionalName(reader);
  const upTo = readOptionalName(reader);
  const names = readList(reader, 'names', 5, () => readEntryName(reader));
  if (names.length > limits.pageNames) throw new FormatError(`a page of ${names.length} names`);
  const bounds = [...(after === null ? [] : [after]), ...names];
  const ascends = bounds.every((name, index) => index === 0 || (bounds[index - 1] ?? '') < name);
  const last = bounds.at(-1);
  if (!ascends || (upTo !== null && (upTo === after || (last !== undefined && upTo < last)))) {
    throw new FormatError('a page whose names do not ascend within its range');
  }
  return { after, names, upTo };
}

function writeOptionalName(writer: ByteWriter, name: string | null): void {
  writer.flag(name !== null);
  if (name !== null) writer.bytes(fromKey(name));
}

function readOptionalName(reader: ByteReader): string | null {
  return reader.flag('presence of the name') ? readEntryName(reader) : null;
}

/** One part of a path. */
function readEntryName(reader: ByteReader): string {
  const name = toKey(readPath(reader, 'name'));
  if (name === '' || name.includes('/')) throw new FormatError('a name that is not one part of a path');
  return name;
}

function readTreePath(reader: ByteReader): TreePath {
  return toKey(readPath(reader, 'path'));
}

function checkEnd(end: number): void {
  if (!Number.isSafeInteger(end)) throw new FormatError('a range that ends beyond 2^53');
}
