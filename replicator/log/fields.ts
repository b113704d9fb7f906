import { type ByteReader, type ByteWriter, FormatError } from '#contracts/bytes.ts';
import type { LoggedAttributes } from '../core/record.ts';
import { splitPath } from '../tree/path.ts';

/**
 * What one record may hold. Linux bounds a name (255 bytes), a symbolic link's target (4,095) and the path of one system
 * call, but not how deep a tree is: clients can rename folders into folders. A path in the log has at most 65,536 bytes
 * (`maxPathBytes`), that is 256 levels of the longest names; a change at a longer one is refused before it is made.
 */
export const maxSymlinkTargetBytes = 4095;
/** Of one record without its header. Lists of paths are split into several records by who writes them. */
export const maxRecordBytes = 1024 * 1024;

const attributeBit = { size: 1, mode: 2, accessedAtUs: 4, modifiedAtUs: 8 } as const;
const highestMode = 0o7777;

export function writePath(writer: ByteWriter, path: Buffer): ByteWriter {
  splitPath(path);
  return writer.bytes(path);
}

/** A view of the frame. Relative, without `.`, `..`, empty or over-long names: it cannot leave the root by itself. */
export function readPath(reader: ByteReader, field: string): Buffer {
  const path = reader.bytes(field);
  splitPath(path);
  return path;
}

/** A path that has a name: anything but the root, which can neither be made nor moved nor removed. */
export function writeName(writer: ByteWriter, path: Buffer): ByteWriter {
  return writePath(writer, named(path));
}

export function readName(reader: ByteReader, field: string): Buffer {
  return named(readPath(reader, field));
}

function named(path: Buffer): Buffer {
  if (path.length === 0) throw new FormatError('the root of the tree has no name');
  return path;
}

export function writeTarget(writer: ByteWriter, target: Buffer): ByteWriter {
  return writer.bytes(checkedTarget(target));
}

export function readTarget(reader: ByteReader): Buffer {
  return checkedTarget(reader.bytes('target'));
}

function checkedTarget(target: Buffer): Buffer {
  if (target.length === 0 || target.length > maxSymlinkTargetBytes || target.includes(0)) {
    throw new FormatError(
      `a symbolic link cannot have a target of ${target.length} bytes, or one with a NUL`,
    );
  }
  return target;
}

export function writeMode(writer: ByteWriter, mode: number): ByteWriter {
  return writer.u16(checkedMode(mode));
}

export function readMode(reader: ByteReader): number {
  return checkedMode(reader.u16('mode'));
}

function checkedMode(mode: number): number {
  if (!Number.isInteger(mode) || mode < 0 || mode > highestMode) {
    throw new FormatError(`the mode ${mode} has bits beyond 07777`);
  }
  return mode;
}

/** `u64 offset | u64 length`; the end is a safe integer, too. */
export function writeRange(writer: ByteWriter, offset: number, length: number): ByteWriter {
  checkEnd(offset, length);
  return writer.u64(offset).u64(length);
}

export function readRange(reader: ByteReader): { offset: number; length: number } {
  const offset = reader.u64('offset');
  const length = reader.u64('length of the range');
  checkEnd(offset, length);
  return { offset, length };
}

function checkEnd(offset: number, length: number): void {
  if (!Number.isSafeInteger(offset + length)) {
    throw new FormatError(`a range of ${length} bytes at ${offset} ends beyond 2^53`);
  }
}

export function writeAttributes(writer: ByteWriter, attributes: LoggedAttributes): ByteWriter {
  const { size, mode, accessedAtUs, modifiedAtUs } = attributes;
  writer.u8(
    (size === undefined ? 0 : attributeBit.size) |
      (mode === undefined ? 0 : attributeBit.mode) |
      (accessedAtUs === undefined ? 0 : attributeBit.accessedAtUs) |
      (modifiedAtUs === undefined ? 0 : attributeBit.modifiedAtUs),
  );
  if (size !== undefined) writer.u64(size);
  if (mode !== undefined) writeMode(writer, mode);
  if (accessedAtUs !== undefined) writer.i64(accessedAtUs);
  if (modifiedAtUs !== undefined) writer.i64(modifiedAtUs);
  return writer;
}

export function readAttributes(reader: ByteReader): LoggedAttributes {
  const bits = reader.u8('attribute flags');
  if (bits > 15) throw new FormatError(`unknown attribute flags ${bits}`);
  return {
    ...((bits & attributeBit.size) !== 0 && { size: reader.u64('size') }),
    ...((bits & attributeBit.mode) !== 0 && { mode: readMode(reader) }),
    ...((bits & attributeBit.accessedAtUs) !== 0 && { accessedAtUs: reader.i64('access time') }),
    ...((bits & attributeBit.modifiedAtUs) !== 0 && { modifiedAtUs: reader.i64('modification time') }),
  };
}

/** `u32 count | elements`. Each element has at least `leastBytes`, so a count that the frame cannot hold is refused. */
export function readList<T>(reader: ByteReader, field: string, leastBytes: number, read: () => T): T[] {
  const count = reader.u32(`count of ${field}`);
  if (count * leastBytes > reader.left) throw new FormatError(`the frame cannot hold ${count} ${field}`);
  return Array.from({ length: count }, read);
}

export function writeList<T>(
  writer: ByteWriter,
  list: readonly T[],
  write: (element: T) => void,
): ByteWriter {
  writer.u32(list.length);
  for (const element of list) write(element);
  return writer;
}
