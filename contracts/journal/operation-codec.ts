import { type ByteReader, type ByteWriter, FormatError } from '../bytes.ts';
import type { Attributes, Operation, OperationKind } from './operation.ts';

/** `u8 kind | fields in the order of the type`; the data of a write is all that is left of the frame. */
const kindNumbers = {
  open: 1,
  write: 2,
  'set-handle-attributes': 3,
  close: 4,
  sync: 5,
  'set-attributes': 6,
  rename: 7,
  remove: 8,
  mkdir: 9,
  rmdir: 10,
  symlink: 11,
  link: 12,
  barrier: 13,
} as const satisfies Record<OperationKind, number>;

const kindsByNumber = new Map<number, OperationKind>(
  Object.entries(kindNumbers).map(([kind, number]) => [number, kind as OperationKind]),
);

const openFlag = { create: 1, exclusive: 2, truncate: 4 } as const;
const attributeFlag = { size: 1, mode: 2, accessedAt: 4, modifiedAt: 8 } as const;

/** The parts of the operation's bytes; only a write has a second part, which is its data itself. */
export function writeOperation(writer: ByteWriter, operation: Operation): Buffer[] {
  writer.u8(kindNumbers[operation.kind]);
  switch (operation.kind) {
    case 'open':
      writer.u32(operation.handle).bytes(operation.path).u8(openFlagBits(operation)).u32(operation.mode);
      break;
    case 'write':
      return [writer.u32(operation.handle).u64(operation.offset).finish(), operation.data];
    case 'set-handle-attributes':
      writeAttributes(writer.u32(operation.handle), operation.attributes);
      break;
    case 'close':
    case 'sync':
      writer.u32(operation.handle);
      break;
    case 'set-attributes':
      writeAttributes(writer.bytes(operation.path), operation.attributes);
      break;
    case 'rename':
      writer.bytes(operation.from).bytes(operation.to);
      break;
    case 'remove':
    case 'rmdir':
      writer.bytes(operation.path);
      break;
    case 'mkdir':
      writer.bytes(operation.path).u32(operation.mode);
      break;
    case 'symlink':
      writer.bytes(operation.path).bytes(operation.target);
      break;
    case 'link':
      writer.bytes(operation.existing).bytes(operation.path);
      break;
    case 'barrier':
      break;
  }
  return [writer.finish()];
}

/** Reads to the end of the frame. */
export function readOperation(reader: ByteReader): Operation {
  const operation = readFields(reader);
  reader.end();
  return operation;
}

function readFields(reader: ByteReader): Operation {
  const number = reader.u8('operation kind');
  const kind = kindsByNumber.get(number);
  switch (kind) {
    case 'open': {
      const handle = reader.u32('handle');
      const path = reader.bytes('path');
      const bits = reader.u8('open flags');
      if (bits > 7) throw new FormatError(`unknown open flags ${bits}`);
      const flags = {
        create: (bits & openFlag.create) !== 0,
        exclusive: (bits & openFlag.exclusive) !== 0,
        truncate: (bits & openFlag.truncate) !== 0,
      };
      return { kind, handle, path, flags, mode: reader.u32('mode') };
    }
    case 'write':
      return { kind, handle: reader.u32('handle'), offset: reader.u64('offset'), data: reader.rest() };
    case 'set-handle-attributes':
      return { kind, handle: reader.u32('handle'), attributes: readAttributes(reader) };
    case 'close':
    case 'sync':
      return { kind, handle: reader.u32('handle') };
    case 'set-attributes':
      return { kind, path: reader.bytes('path'), attributes: readAttributes(reader) };
    case 'rename':
      return { kind, from: reader.bytes('from'), to: reader.bytes('to') };
    case 'remove':
    case 'rmdir':
      return { kind, path: reader.bytes('path') };
    case 'mkdir':
      return { kind, path: reader.bytes('path'), mode: reader.u32('mode') };
    case 'symlink':
      return { kind, path: reader.bytes('path'), target: reader.bytes('target') };
    case 'link':
      return { kind, existing: reader.bytes('existing'), path: reader.bytes('path') };
    case 'barrier':
      return { kind };
    case undefined:
      throw new FormatError(`unknown operation kind ${number}`);
  }
}

function openFlagBits(operation: Extract<Operation, { kind: 'open' }>): number {
  const { create, exclusive, truncate } = operation.flags;
  return (
    (create ? openFlag.create : 0) | (exclusive ? openFlag.exclusive : 0) | (truncate ? openFlag.truncate : 0)
  );
}

function writeAttributes(writer: ByteWriter, attributes: Attributes): void {
  const { size, mode, accessedAt, modifiedAt } = attributes;
  writer.u8(
    (size === undefined ? 0 : attributeFlag.size) |
      (mode === undefined ? 0 : attributeFlag.mode) |
      (accessedAt === undefined ? 0 : attributeFlag.accessedAt) |
      (modifiedAt === undefined ? 0 : attributeFlag.modifiedAt),
  );
  if (size !== undefined) writer.u64(size);
  if (mode !== undefined) writer.u32(mode);
  if (accessedAt !== undefined) writer.f64(accessedAt);
  if (modifiedAt !== undefined) writer.f64(modifiedAt);
}

function readAttributes(reader: ByteReader): Attributes {
  const bits = reader.u8('attribute flags');
  if (bits > 15) throw new FormatError(`unknown attribute flags ${bits}`);
  return {
    ...((bits & attributeFlag.size) !== 0 && { size: reader.u64('size') }),
    ...((bits & attributeFlag.mode) !== 0 && { mode: reader.u32('mode') }),
    ...((bits & attributeFlag.accessedAt) !== 0 && { accessedAt: reader.f64('access time') }),
    ...((bits & attributeFlag.modifiedAt) !== 0 && { modifiedAt: reader.f64('modification time') }),
  };
}
