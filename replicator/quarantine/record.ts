import { closeSync, constants, fstatSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import * as z from 'zod';
import { epochSchema } from '#contracts/identities.ts';
import { type QuarantineReason, quarantineReasons } from '#contracts/ipc/quarantine.ts';
import { safeText } from '#contracts/safe-text.ts';
import { writeDurably } from '../state/durable-file.ts';
import { splitPath } from '../tree/path.ts';

/** What is written down beside each thing in quarantine, before it is moved there. */
export interface QuarantineRecord {
  /** Where it was, below the root it came from. */
  readonly path: Buffer;
  /** Wall time, for people. */
  readonly at: Date;
  /** The leadership by whose tree it was judged. */
  readonly epoch: number;
  readonly leader: string;
  readonly reason: QuarantineReason;
  readonly type: string;
  /** Of a file; null of others. */
  readonly bytes: number | null;
  /** Whether a client was told that it is stored; null: not known. */
  readonly acknowledged: boolean | null;
}

/** A path has at most 65,536 bytes; in base64 and as text they are some 350,000. */
const maxRecordBytes = 512 * 1024;

const fileSchema = z.object({
  format: z.literal(1),
  /** For who reads the file; `pathBase64` counts. */
  path: z.string(),
  pathBase64: z.base64().max(100_000),
  at: z.iso.datetime(),
  epoch: epochSchema,
  leader: z.string().max(256),
  reason: z.enum(quarantineReasons).catch('unknown'),
  type: z.string().max(32),
  bytes: z.int().nonnegative().nullable(),
  acknowledged: z.boolean().nullable(),
});

/** On disk when this returns, but for its name, which is in the folder. @throws errors of the file system */
export function writeRecord(file: string, record: QuarantineRecord): void {
  const handle = openSync(file, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
  try {
    const bytes = Buffer.from(textOf(record));
    for (let at = 0; at < bytes.length; ) at += writeSync(handle, bytes, at);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** Gives a record, if there is one, another time; on disk when this returns. @throws errors of the file system */
export function redateRecord(file: string, at: Date): void {
  const record = readRecord(file);
  if (record !== null) writeDurably(file, textOf({ ...record, at }), 0o600);
}

function textOf({ path, at, ...record }: QuarantineRecord): string {
  const fields = {
    format: 1,
    path: safeText(path),
    pathBase64: path.toString('base64'),
    at: at.toISOString(),
    ...record,
  } satisfies z.input<typeof fileSchema>;
  return `${JSON.stringify(fields)}\n`;
}

/** Null: there is none, or what is there is no record. No link is followed, and no more is read than a record has. */
export function readRecord(file: string): QuarantineRecord | null {
  try {
    const { path, pathBase64, at, format, ...record } = fileSchema.parse(JSON.parse(readBounded(file)));
    const bytes = Buffer.from(pathBase64, 'base64');
    splitPath(bytes);
    return { ...record, path: bytes, at: new Date(at) };
  } catch {
    return null;
  }
}

function readBounded(file: string): string {
  const handle = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(handle);
    if (!stats.isFile() || stats.size > maxRecordBytes) throw new Error('no record');
    const bytes = Buffer.alloc(stats.size);
    let length = 0;
    for (let read = -1; read !== 0 && length < bytes.length; length += read) {
      read = readSync(handle, bytes, length, bytes.length - length, length);
    }
    return bytes.toString('utf8', 0, length);
  } finally {
    closeSync(handle);
  }
}
