import { chmodSync, closeSync, constants, fstatSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { readIfThere } from '../state/durable-file.ts';
import { fromKey, parentOf, rootPath, toKey } from '../tree/path.ts';
import { type Directories, openEntry, through } from './directories.ts';
import { errnoOf } from './errno.ts';

/** A path on which the engine needs more than the modes allow. */
export interface Needed {
  readonly path: Buffer;
  /** Whether the entry itself is needed too, and not only the directories above it. */
  readonly itself: 'always' | 'if-directory' | 'never';
  /** Where it may be found as well when the change was made: the new name of a rename. */
  readonly orAt?: Buffer;
}

/** One mode that was widened: a line of the note. `paths`: one character a byte. */
interface NotedMode {
  readonly paths: readonly string[];
  readonly inode: string;
  readonly mode: number;
}

interface Widened {
  readonly fd: number;
  readonly mode: number;
}

/**
 * J3: all files belong to the engine's own user, and clients may give them modes that keep out the engine itself. For
 * one synchronous change such modes are widened for the owner, and put back. What they were is written to a note
 * first, outside of the tree: `restore` puts them back when the process died in between. (The note is not flushed: after
 * power loss the names are uncertain anyway, as P1 and P2 have it.)
 */
export class Unlocked {
  readonly #directories: Directories;
  readonly #note: string;
  #noteFd: number | null = null;

  /** @param note a file outside of the tree, the engine's own */
  constructor(directories: Directories, note: string) {
    this.#directories = directories;
    this.#note = note;
  }

  /** Runs `change`; what modes kept from it is allowed for so long. `change` may run twice, the first time until EACCES. */
  allow<Result>(needed: readonly Needed[], change: () => Result): Result {
    try {
      return change();
    } catch (error) {
      if (errnoOf(error) !== 'EACCES') throw error;
      return this.#widened(needed, change);
    }
  }

  /** Puts back what a process that died left widened. Returns the paths, for the log. */
  restore(): Buffer[] {
    const found: (Widened & { readonly path: Buffer })[] = [];
    try {
      // It may have died while it put modes back: what is shut already is opened again to get at what is below.
      for (const noted of readNote(this.#note)) {
        const entry = this.#findNoted(noted);
        if (entry !== null) found.push(entry);
      }
    } finally {
      for (const { fd, mode } of found) {
        chmodSync(through(fd), mode);
        closeSync(fd);
      }
    }
    this.#clearNote();
    return found.map(({ path }) => path);
  }

  close(): void {
    if (this.#noteFd !== null) closeSync(this.#noteFd);
    this.#noteFd = null;
  }

  #widened<Result>(needed: readonly Needed[], change: () => Result): Result {
    const widened: Widened[] = [];
    try {
      for (const each of needed) this.#widenAlong(each, widened);
      return change();
    } finally {
      for (const { fd, mode } of widened) {
        chmodSync(through(fd), mode);
        closeSync(fd);
      }
      this.#clearNote();
    }
  }

  /** From the root down: what is below a directory is seen only once it may be entered. */
  #widenAlong({ path, itself, orAt }: Needed, widened: Widened[]): void {
    for (const above of [rootPath, ...ancestorsOf(path)]) this.#widen(above, [above], 'always', widened);
    if (itself === 'never' || path.length === 0) return;
    this.#widen(path, orAt === undefined ? [path] : [path, orAt], itself, widened);
  }

  #widen(path: Buffer, paths: readonly Buffer[], when: Needed['itself'], widened: Widened[]): void {
    const fd = this.#open(path);
    if (fd === null) return;
    const stats = fstatSync(fd, { bigint: true });
    const mode = Number(stats.mode) & 0o7777;
    const wanted = mode | (stats.isDirectory() ? 0o700 : 0o600);
    const isMeant = stats.isDirectory() || (stats.isFile() && when === 'always');
    if (!isMeant || wanted === mode) {
      closeSync(fd);
      return;
    }
    this.#writeNote({ paths: paths.map(toKey), inode: String(stats.ino), mode });
    widened.push({ fd, mode });
    chmodSync(through(fd), wanted);
  }

  /** null when nothing is there. */
  #open(path: Buffer): number | null {
    try {
      return this.#directories.withEntry(path, openEntry);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return null;
      throw error;
    }
  }

  /** null when it has neither of the names any more. */
  #findNoted({ paths, inode, mode }: NotedMode): (Widened & { readonly path: Buffer }) | null {
    for (const path of paths.map(fromKey)) {
      const fd = this.#open(path);
      if (fd === null) continue;
      const stats = fstatSync(fd, { bigint: true });
      if (String(stats.ino) === inode && !stats.isSymbolicLink()) {
        chmodSync(through(fd), mode | 0o700);
        return { fd, mode, path };
      }
      closeSync(fd);
    }
    return null;
  }

  #writeNote(noted: NotedMode): void {
    this.#noteFd ??= openSync(
      this.#note,
      constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW,
      0o600,
    );
    writeSync(this.#noteFd, `${JSON.stringify(noted)}\n`);
  }

  #clearNote(): void {
    try {
      if (this.#noteFd !== null) ftruncateSync(this.#noteFd, 0);
      else closeSync(openSync(this.#note, constants.O_WRONLY | constants.O_TRUNC | constants.O_NOFOLLOW));
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
  }
}

/** The directories above, from the top; without the root. */
function ancestorsOf(path: Buffer): Buffer[] {
  const ancestors: Buffer[] = [];
  for (let above = parentOf(path); above.length > 0; above = parentOf(above)) ancestors.unshift(above);
  return ancestors;
}

/** A line that was not written whole was followed by no change. */
function readNote(note: string): NotedMode[] {
  const text = readIfThere(note);
  if (text === null) return [];
  const lines = text.split('\n');
  return lines.slice(0, -1).map((line) => JSON.parse(line) as NotedMode);
}
