import { type BigIntStats, lstatSync, readdirSync, readlinkSync } from 'node:fs';
import * as z from 'zod';
import { fromKey, rootPath, toKey } from '../tree/path.ts';
import { entryIn, errnoOf, type Tree } from '../tree/tree.ts';

/**
 * One name of the tree as the manifest tells it. Names and link targets are bytes, one character a byte.
 * Directories and links have neither size nor time: theirs differ on every host and mean nothing.
 */
export const entrySchema = z.object({
  name: z.string().max(255),
  type: z.enum(['file', 'directory', 'link']),
  mode: z.int().nonnegative(),
  size: z.int().nonnegative(),
  /** Nanoseconds since 1970, decimal. */
  modifiedAtNs: z.string().regex(/^-?\d{1,20}$/),
  target: z.string(),
});
export type Entry = z.infer<typeof entrySchema>;

/** The entry at a path, or null when there is none or one that is not replicated (sockets, devices). */
export function readEntry(tree: Tree, path: Buffer): Entry | null {
  try {
    return tree.withEntry(path, (entry) => readNamed(entry, rootPath));
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
}

/** The entries of a directory, in no order; null when it is not a directory (any more). */
export function readDirectory(tree: Tree, path: Buffer): Entry[] | null {
  try {
    return tree.withDirectory(path, (directory) =>
      readdirSync(`/proc/self/fd/${directory}/.`, { encoding: 'buffer' }).flatMap((name) => {
        const entry = readNamed(entryIn(directory, name), name);
        return entry === null ? [] : [entry];
      }),
    );
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
}

export function nameOf(entry: Entry): Buffer {
  return fromKey(entry.name);
}

/**
 * Of a file whose content may not be what the leader had at any time. No clock shows it and no client can set it: SFTP
 * has whole seconds.
 */
export const timeInDoubt: Pick<Entry, 'modifiedAtNs'> = { modifiedAtNs: '500000000' };

/**
 * Whether two times are the same to a host that sets them through a double of seconds, as Node does: within a
 * microsecond.
 */
export function sameTime(a: Entry, b: Entry): boolean {
  const difference = BigInt(a.modifiedAtNs) - BigInt(b.modifiedAtNs);
  return difference > -1000n && difference < 1000n;
}

/** The path, or one of its directories, is not there or is not what it was. */
export function isGone(error: unknown): boolean {
  const code = errnoOf(error);
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP';
}

function readNamed(path: Buffer, name: Buffer): Entry | null {
  try {
    return entryFrom(path, toKey(name), lstatSync(path, { bigint: true }));
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
}

function entryFrom(path: Buffer, name: string, stats: BigIntStats): Entry | null {
  const mode = Number(stats.mode & 0o7777n);
  if (stats.isDirectory()) return { name, type: 'directory', mode, size: 0, modifiedAtNs: '0', target: '' };
  if (stats.isSymbolicLink()) {
    const target = toKey(readlinkSync(path, { encoding: 'buffer' }));
    return { name, type: 'link', mode: 0, size: 0, modifiedAtNs: '0', target };
  }
  if (!stats.isFile()) return null;
  return {
    name,
    type: 'file',
    mode,
    size: Number(stats.size),
    modifiedAtNs: String(stats.mtimeNs),
    target: '',
  };
}
