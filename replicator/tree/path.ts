import { FormatError } from '#contracts/bytes.ts';
import { safeText } from '#contracts/safe-text.ts';

const slash = 0x2f;
export const rootPath = Buffer.alloc(0);
/** Linux bounds names and what one system call takes, not how deep a tree is. */
export const maxPathBytes = 65_536;

/**
 * The parts of a path relative to a tree's root. Names are bytes. Paths that came over a socket
 * are checked here: absolute paths, `..`, `.`, empty parts, NUL and over-long names are a FormatError.
 */
export function splitPath(path: Buffer): Buffer[] {
  if (path.length === 0) return [];
  if (path.length > maxPathBytes) throw new FormatError(`a path of ${path.length} bytes`);
  if (path.includes(0)) throw new FormatError('a path with a NUL byte');
  const parts: Buffer[] = [];
  for (let start = 0; start <= path.length; ) {
    const end = path.indexOf(slash, start);
    const part = path.subarray(start, end === -1 ? path.length : end);
    if (part.length === 0 || part.length > 255 || isDots(part)) {
      throw new FormatError(`the path ${printable(path)} has a part that is not a plain name`);
    }
    parts.push(part);
    if (end === -1) break;
    start = end + 1;
  }
  return parts;
}

export function joinPath(directory: Buffer, name: Buffer): Buffer {
  return directory.length === 0 ? name : Buffer.concat([directory, Buffer.of(slash), name]);
}

/** The directory of a path; the root for a top-level name. */
export function parentOf(path: Buffer): Buffer {
  const end = path.lastIndexOf(slash);
  return end === -1 ? rootPath : path.subarray(0, end);
}

/** Whether `path` is `ancestor` or below it. The root is above everything. */
export function isWithin(path: Buffer, ancestor: Buffer): boolean {
  if (ancestor.length === 0 || path.equals(ancestor)) return true;
  return (
    path.length > ancestor.length &&
    path[ancestor.length] === slash &&
    path.subarray(0, ancestor.length).equals(ancestor)
  );
}

/** Bytes as a string with one character a byte: what JSON and map keys carry. */
export function toKey(path: Buffer): string {
  return path.toString('latin1');
}

export function fromKey(key: string): Buffer {
  return Buffer.from(key, 'latin1');
}

/** Whether one of the directories, all as keys, is above a path. The root is above everything but itself. */
export function hasAncestorIn(directories: ReadonlySet<string>, key: string): boolean {
  for (let end = key.lastIndexOf('/'); end !== -1; end = key.lastIndexOf('/', end - 1)) {
    if (directories.has(key.slice(0, end))) return true;
  }
  return key !== '' && directories.has('');
}

/** In UTF-16 units. */
const maxShownLength = 256;

/** A key as people are shown it, safe to print; what is longer is cut. */
export function shownKey(key: string): string {
  return safeText(fromKey(key), maxShownLength);
}

/** For the log. */
export function printable(path: Buffer): string {
  return JSON.stringify(path.toString('utf8'));
}

function isDots(part: Buffer): boolean {
  return part[0] === 0x2e && (part.length === 1 || (part.length === 2 && part[1] === 0x2e));
}
