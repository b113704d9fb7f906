import { type ByteReader, type ByteWriter, FormatError } from '../bytes.ts';
import { maxCodeBytes, maxNameBytes, maxPathBytes, maxSentenceBytes } from './limits.ts';
import type { ChangedAttributes, Grant, OpenFlags } from './message.ts';

const highestMode = 0o7777;
const attributeBit = { size: 1, mode: 2, accessedAtUs: 4, modifiedAtUs: 8 } as const;
const flagBit = { read: 1, write: 2, append: 4, create: 8, exclusive: 16, truncate: 32 } as const;
const allFlags = 63;

export function writePath(writer: ByteWriter, path: Buffer): ByteWriter {
  return writer.bytes(bounded(path, maxPathBytes, 'path'));
}

/** A view of the frame. */
export function readPath(reader: ByteReader, field: string): Buffer {
  return bounded(reader.bytes(field), maxPathBytes, field);
}

export function writeMode(writer: ByteWriter, mode: number): ByteWriter {
  return writer.u16(checkedMode(mode));
}

export function readMode(reader: ByteReader): number {
  return checkedMode(reader.u16('mode'));
}

export function writeAttributes(writer: ByteWriter, attributes: ChangedAttributes): ByteWriter {
  const { size, mode, accessedAtUs, modifiedAtUs } = attributes;
  let bits = 0;
  for (const name of Object.keys(attributeBit) as (keyof ChangedAttributes)[])
    if (attributes[name] !== undefined) bits |= attributeBit[name];
  writer.u8(bits);
  if (size !== undefined) writer.u64(size);
  if (mode !== undefined) writeMode(writer, mode);
  if (accessedAtUs !== undefined) writer.u64(accessedAtUs);
  if (modifiedAtUs !== undefined) writer.u64(modifiedAtUs);
  return writer;
}

export function readAttributes(reader: ByteReader): ChangedAttributes {
  const bits = reader.u8('attributes');
  if (bits > 15) throw new FormatError(`unknown attributes ${bits}`);
  return {
    ...(bits & attributeBit.size ? { size: reader.u64('size') } : {}),
    ...(bits & attributeBit.mode ? { mode: readMode(reader) } : {}),
    ...(bits & attributeBit.accessedAtUs ? { accessedAtUs: reader.u64('access time') } : {}),
    ...(bits & attributeBit.modifiedAtUs ? { modifiedAtUs: reader.u64('modification time') } : {}),
  };
}

export function writeFlags(writer: ByteWriter, flags: OpenFlags): ByteWriter {
  let bits = 0;
  for (const name of Object.keys(flagBit) as (keyof OpenFlags)[]) if (flags[name]) bits |= flagBit[name];
  return writer.u8(bits);
}

export function readFlags(reader: ByteReader): OpenFlags {
  const bits = reader.u8('flags');
  if (bits > allFlags) throw new FormatError(`unknown flags ${bits}`);
  const has = (bit: number) => (bits & bit) !== 0;
  return {
    read: has(flagBit.read),
    write: has(flagBit.write),
    append: has(flagBit.append),
    create: has(flagBit.create),
    exclusive: has(flagBit.exclusive),
    truncate: has(flagBit.truncate),
  };
}

export function writeGrant(writer: ByteWriter, { root, makeRoot, mayChange, account }: Grant): ByteWriter {
  writePath(writer, root).flag(makeRoot !== null);
  writeMode(writer, makeRoot ?? 0).flag(mayChange);
  return writeName(writer, account);
}

export function readGrant(reader: ByteReader): Grant {
  const root = readPath(reader, 'root');
  const makes = reader.flag('make root');
  const mode = readMode(reader);
  const mayChange = reader.flag('may change');
  return { root, makeRoot: makes ? mode : null, mayChange, account: readName(reader, 'account') };
}

export function writeName(writer: ByteWriter, name: string): ByteWriter {
  return writer.bytes(bounded(Buffer.from(name), maxNameBytes, 'name'));
}

export function readName(reader: ByteReader, field: string): string {
  return bounded(reader.bytes(field), maxNameBytes, field).toString();
}

export function writeCode(writer: ByteWriter, code: string): ByteWriter {
  return writer.bytes(Buffer.from(checkedCode(code)));
}

export function readCode(reader: ByteReader, field: string): string {
  return checkedCode(bounded(reader.bytes(field), maxCodeBytes, field).toString('latin1'));
}

/** Cut to its bound, between characters. */
export function writeSentence(writer: ByteWriter, sentence: string): ByteWriter {
  const bytes = Buffer.from(sentence);
  let end = Math.min(bytes.length, maxSentenceBytes);
  // The first byte left out must begin a character.
  while (end < bytes.length && end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return writer.bytes(bytes.subarray(0, end));
}

export function readSentence(reader: ByteReader, field: string): string {
  return bounded(reader.bytes(field), maxSentenceBytes, field).toString();
}

function checkedCode(code: string): string {
  if (/^[A-Za-z0-9_-]{1,32}$/.test(code)) return code;
  throw new FormatError('a code is 1 to 32 letters, digits, "_" and "-"');
}

function checkedMode(mode: number): number {
  if (Number.isInteger(mode) && mode >= 0 && mode <= highestMode) return mode;
  throw new FormatError(`the mode ${mode} has bits beyond 07777`);
}

function bounded(bytes: Buffer, limit: number, field: string): Buffer {
  if (bytes.length <= limit) return bytes;
  throw new FormatError(`${field} has ${bytes.length} bytes, more than ${limit}`);
}
