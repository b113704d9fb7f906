import type { Operation } from '#contracts/journal/operation.ts';
import type { DirtyPath, Range } from '../protocol/message.ts';
import { fromKey, hasAncestorIn, isWithin, toKey } from '../tree/path.ts';
import type { HandlePaths } from './handle-paths.ts';

/** More ranges of one file, or more paths, than these are one range, or the whole tree: memory stays bounded. */
const maxRanges = 64;
const maxPaths = 50_000;

/**
 * What changed while a follower was catching up, to be brought over in the next round. A file that is being written
 * is dirty only in the parts written, so that a long upload does not start anew with each round.
 */
export class DirtyPaths {
  #paths = new Map<string, Range[] | null>();
  #bytes = 0;

  get count(): number {
    return this.#paths.size;
  }

  /** Bytes written since the last `drain`, as far as they are known. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Call before the handle table follows the operation. */
  note(operation: Operation, handles: HandlePaths): void {
    switch (operation.kind) {
      case 'open':
        if (operation.flags.create || operation.flags.truncate) this.#whole(operation.path);
        break;
      case 'write':
        this.#bytes += operation.data.length;
        this.#part(handles.get(operation.handle), [
          operation.offset,
          operation.offset + operation.data.length,
        ]);
        break;
      case 'set-handle-attributes':
        this.#attributes(handles.get(operation.handle), operation.attributes.size);
        break;
      case 'set-attributes':
        this.#attributes(operation.path, operation.attributes.size);
        break;
      case 'rename':
        this.#whole(operation.from);
        this.#whole(operation.to);
        break;
      case 'remove':
      case 'mkdir':
      case 'rmdir':
      case 'symlink':
      case 'link':
        this.#whole(operation.path);
        break;
      case 'close':
      case 'sync':
      case 'barrier':
        break;
    }
  }

  /** Whether this path, something above it or something below it was touched since the last `drain`. */
  touches(path: Buffer): boolean {
    return [...this.#paths.keys()].some((key) => {
      const dirty = fromKey(key);
      return isWithin(path, dirty) || isWithin(dirty, path);
    });
  }

  /** Hands over what was noted, directories before what is in them, and begins anew. */
  drain(): DirtyPath[] {
    const paths = [...this.#paths].sort(([a], [b]) => (a < b ? -1 : 1));
    this.#paths = new Map();
    this.#bytes = 0;
    const wholes = new Set(paths.flatMap(([key, ranges]) => (ranges === null ? [key] : [])));
    return paths.filter(([key]) => !hasAncestorIn(wholes, key)).map(([path, ranges]) => ({ path, ranges }));
  }

  #whole(path: Buffer): void {
    this.#set(toKey(path), null);
  }

  #set(key: string, ranges: Range[] | null): void {
    if (this.#paths.get('') === null) return;
    if (this.#paths.size >= maxPaths) {
      this.#paths.clear();
      this.#paths.set('', null);
      return;
    }
    this.#paths.set(key, ranges);
  }

  #attributes(path: Buffer | null, size: number | undefined): void {
    this.#part(path, size === undefined ? null : [size, null]);
  }

  #part(path: Buffer | null, range: Range | null): void {
    if (path === null) return;
    const key = toKey(path);
    const ranges = this.#paths.get(key);
    if (ranges === null) return;
    if (ranges === undefined) this.#set(key, range === null ? [] : [range]);
    else if (range !== null) addRange(ranges, range);
  }
}

/** Keeps the ranges few: one that continues the last is joined to it, and too many become one around all. */
export function addRange(ranges: Range[], [from, to]: Range): void {
  const last = ranges.at(-1);
  if (last !== undefined && from >= last[0] && (last[1] === null || from <= last[1])) {
    last[1] = last[1] === null || to === null ? null : Math.max(last[1], to);
    return;
  }
  ranges.push([from, to]);
  if (ranges.length <= maxRanges) return;
  const start = Math.min(...ranges.map((range) => range[0]));
  const open = ranges.some((range) => range[1] === null);
  const end = open ? null : Math.max(...ranges.map((range) => range[1] ?? 0));
  ranges.splice(0, ranges.length, [start, end]);
}
