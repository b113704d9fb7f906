import { type BigIntStats, fstatSync, readdirSync } from 'node:fs';
import { Applier } from '../apply/applier.ts';
import { type Directories, through } from '../apply/directories.ts';
import type { DirtyFile, FlushScope } from '../apply/dirty-files.ts';
import { openDirectory, openForReading } from '../apply/open-file.ts';
import { timesOf } from '../apply/times.ts';
import type { LoggedAttributes, LogRecord } from '../core/record.ts';
import type { EntryTimes, Found, Inode, NewEntry, Removal, Tree } from '../core/tree.ts';
import { parentOf, type TreePath } from '../core/uncertain-names.ts';
import { fromKey, toKey } from '../tree/path.ts';
import type { DiskTreeParts } from './disk-tree-parts.ts';
import { hasData, replaces, statsAt, targetAt } from './entry-at.ts';
import { filesIn } from './files-in.ts';
import { NameHints } from './name-hints.ts';

interface OpenInode {
  /** The applier's. */
  readonly handle: number;
  /** How often it is held. */
  holders: number;
  /** Its content was told of in this generation. */
  generation: number;
}

/** Files that are open here without being held: those that answers fill. */
const maxUnheld = 64;

/**
 * The tree of files on the disk, by inode: what a record or an answer changes goes through the apply path. Descriptors
 * are kept of files that are held, and of some that were changed last.
 */
export class DiskTree implements Tree {
  readonly #parts: DiskTreeParts;
  readonly #directories: Directories;
  readonly #applier: Applier;
  readonly #open = new Map<Inode, OpenInode>();
  /** In the order in which they were used. */
  readonly #unheld = new Set<Inode>();
  readonly #hints: NameHints;
  /** Searched for and not found: they have no name, until they are given one. */
  readonly #nameless = new Set<Inode>();
  #lastHandle = 0;
  #changed: { files: Set<DirtyFile>; paths: Set<TreePath> } = { files: new Set(), paths: new Set() };

  constructor(parts: DiskTreeParts) {
    this.#parts = parts;
    this.#directories = parts.places.directories;
    this.#applier = new Applier(parts.places, parts.dirty);
    this.#hints = new NameHints((inode) => this.#open.has(inode) || parts.isNeeded(inode));
  }

  /** What was changed since the last call: what a barrier flushes, to be asked for in the same turn. */
  takeScope(): FlushScope {
    const { files, paths } = this.#changed;
    this.#changed = { files: new Set(), paths: new Set() };
    return { files: [...files], paths: [...paths].map(fromKey) };
  }

  /** The next scope has this file too, though nothing of it was changed (FSYNC). */
  addToScope(inode: Inode): void {
    const file = this.fileOf(inode);
    if (file !== null) this.#changed.files.add(file);
  }

  /** The descriptor of a file that is held; null when it is not. */
  fileOf(inode: Inode): DirtyFile | null {
    const open = this.#open.get(inode);
    return open === undefined ? null : (this.#applier.fileOf(open.handle) ?? null);
  }

  /** The names of a file that is held whose content was not told of in this generation; null when it was. */
  untoldNames(inode: Inode): readonly TreePath[] | null {
    const open = this.#open.get(inode);
    return open === undefined || open.generation === this.#parts.before.generation
      ? null
      : this.namesOf(inode);
  }

  /** The file lies there, as far as is known. */
  hint(inode: Inode, path: TreePath): void {
    this.#hints.add(inode, path);
  }

  /** A name of the file that was not looked at; null when none is known. */
  hintOf(inode: Inode): TreePath | null {
    return this.#hints.of(inode)[0] ?? null;
  }

  find(path: TreePath): Found | null {
    const stats = this.#stats(path);
    if (stats === null) return null;
    const mode = Number(stats.mode) & 0o7777;
    if (stats.isDirectory()) return { kind: 'directory', mode };
    if (stats.isSymbolicLink()) return { kind: 'symlink', target: targetAt(this.#parts.places, path) };
    if (!stats.isFile()) return { kind: 'other' };
    this.#hints.add(stats.ino, path);
    return {
      kind: 'file',
      inode: stats.ino,
      mode,
      size: Number(stats.size),
      links: Number(stats.nlink),
    };
  }

  /** On a walk through all of the tree: files with several names are remembered. @returns whether a directory is there */
  passes(path: TreePath): boolean {
    const stats = this.#stats(path);
    if (stats?.isFile() && stats.nlink > 1n) this.#hints.add(stats.ino, path);
    return stats?.isDirectory() === true;
  }

  entries(directory: TreePath): string[] {
    const path = fromKey(directory);
    const names = this.#parts.places.unlocked.allow([{ path, itself: 'always' }], () =>
      this.#directories.with(path, (fd) => readdirSync(through(fd), { encoding: 'buffer' })),
    );
    return names.map(toKey);
  }

  make(path: TreePath, entry: NewEntry): Inode {
    this.#parts.before.names(parentOf(path));
    this.#changed.paths.add(path);
    switch (entry.kind) {
      case 'file':
        return this.#makeFile(path, entry.mode);
      case 'directory':
        this.#apply({ kind: 'mkdir', path: fromKey(path), mode: entry.mode });
        return 0n;
      case 'symlink':
        this.#apply({ kind: 'symlink', path: fromKey(path), target: fromKey(entry.target) });
        return 0n;
    }
  }

  link(inode: Inode, path: TreePath): boolean {
    const existing = this.nameOf(inode);
    if (existing === null) return false;
    this.#parts.before.names(parentOf(path));
    this.#changed.paths.add(path);
    this.#apply({ kind: 'link', existing: fromKey(existing), path: fromKey(path) });
    this.#hints.add(inode, path);
    return true;
  }

  /** In one step where the kernel can: who reads `to` sees the one or the other. */
  rename(from: TreePath, to: TreePath): void {
    const source = this.#stats(from);
    const target = this.#stats(to);
    // Two names of one file: the kernel would leave both.
    if (target !== null && source?.ino === target.ino) {
      this.remove(from, 'record');
      return;
    }
    const isDirectory = source?.isDirectory() === true;
    this.#parts.before.names(parentOf(from));
    this.#parts.before.names(parentOf(to));
    if (isDirectory) this.#parts.before.moves(from, to);
    if (
      target !== null &&
      !replaces(isDirectory, target.isDirectory() && this.entries(to).length > 0, target)
    ) {
      this.remove(to, 'record');
    }
    this.#changed.paths.add(from).add(to);
    this.#apply({ kind: 'rename', from: fromKey(from), to: fromKey(to) });
    if (target !== null) this.#lostName(target, to);
    if (isDirectory || source === null) this.#hints.moved(from, to);
    else {
      this.#hints.remove(source.ino, from);
      if (source.isFile()) this.#hints.add(source.ino, to);
    }
  }

  /** A directory that is not empty is never deleted: its content was not seen by the record. */
  remove(path: TreePath, why: Removal): void {
    const stats = this.#stats(path);
    if (stats === null) return;
    this.#parts.before.names(parentOf(path));
    this.#changed.paths.add(path);
    const isEmpty = stats.isDirectory() && this.entries(path).length === 0;
    if (isEmpty) this.#apply({ kind: 'rmdir', path: fromKey(path) });
    else if (why !== 'record' || stats.isDirectory()) this.#putAside(path, stats, why);
    else this.#apply({ kind: 'remove', path: fromKey(path) });
    this.#lostName(stats, path);
  }

  write(inode: Inode, offset: number, data: Uint8Array): void {
    const { handle } = this.#toChange(inode);
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    this.#apply({ kind: 'write', handle, offset, length: bytes.length }, bytes);
  }

  holds(inode: Inode, offset: number, data: Uint8Array): boolean {
    const path = this.nameOf(inode);
    return path !== null && hasData(() => this.openToRead(path), { inode, offset, data });
  }

  fill(inode: Inode, offset: number, data: Uint8Array): void {
    const { handle } = this.#toChange(inode);
    const before = this.fileOf(inode);
    const times = before === null ? null : timesOf(fstatSync(before.fd, { bigint: true }));
    this.write(inode, offset, data);
    if (times !== null) this.#apply({ kind: 'set-handle-attributes', handle, attributes: times });
  }

  timesAt(path: TreePath): EntryTimes {
    const stats = this.#stats(path);
    if (stats === null) throw new Error(`${path} is not there`);
    return timesOf(stats);
  }

  setFileAttributes(inode: Inode, attributes: LoggedAttributes): void {
    const { handle } = this.#toChange(inode);
    this.#apply({ kind: 'set-handle-attributes', handle, attributes });
  }

  setAttributesAt(path: TreePath, attributes: LoggedAttributes): void {
    this.#parts.before.names(parentOf(path));
    this.#changed.paths.add(path);
    const { size: _, ...fitting } = attributes;
    this.#apply({ kind: 'set-attributes', path: fromKey(path), attributes: fitting, otherNames: [] });
  }

  sizeOf(inode: Inode): number | undefined {
    const file = this.fileOf(inode);
    if (file !== null) return Number(fstatSync(file.fd, { bigint: true }).size);
    const name = this.nameOf(inode);
    const stats = name === null ? null : this.#stats(name);
    return stats === null ? undefined : Number(stats.size);
  }

  nameOf(inode: Inode): TreePath | null {
    return this.#verified(inode).next().value ?? this.#search(inode)[0] ?? null;
  }

  namesOf(inode: Inode): TreePath[] {
    const names = [...this.#verified(inode)];
    const [first] = names;
    const links = first === undefined ? null : (this.#stats(first)?.nlink ?? null);
    return links !== null && Number(links) === names.length ? names : this.#search(inode);
  }

  hold(inode: Inode): void {
    const open = this.#openOf(inode);
    open.holders += 1;
    this.#unheld.delete(inode);
  }

  release(inode: Inode): void {
    const open = this.#open.get(inode);
    if (open === undefined) return;
    open.holders -= 1;
    if (open.holders === 0) this.#close(inode);
  }

  /** For a reader of its own. The caller closes. @throws as an open does */
  openToRead(path: TreePath): { readonly fd: number; readonly inode: Inode } {
    const { fd, stats } = openForReading(this.#parts.places, fromKey(path));
    return { fd, inode: stats.ino };
  }

  /** Files that nobody has open are open here no longer: whoever waits for that may take the disk away. */
  closeIdle(): void {
    for (const inode of [...this.#unheld]) this.#close(inode);
  }

  close(): void {
    for (const inode of [...this.#open.keys()]) this.#close(inode);
  }

  #makeFile(path: TreePath, mode: number): Inode {
    const handle = ++this.#lastHandle;
    const opened = this.#apply({
      kind: 'open',
      handle,
      path: fromKey(path),
      created: true,
      truncate: false,
      mode,
      otherNames: [],
    });
    const { inode } = opened.subject ?? { inode: 0n };
    this.#hints.forget(inode);
    this.#hints.add(inode, path);
    this.#nameless.delete(inode);
    // A file that is new is covered by its directory until the next checkpoint.
    this.#opened(inode, { handle, holders: 0, generation: this.#parts.before.generation });
    return inode;
  }

  /** The file, after its change was told of. */
  #toChange(inode: Inode): OpenInode {
    const open = this.#openOf(inode);
    const { before } = this.#parts;
    if (open.generation !== before.generation) before.file(() => this.namesOf(inode));
    open.generation = before.generation;
    return open;
  }

  #openOf(inode: Inode): OpenInode {
    const open = this.#open.get(inode);
    if (open !== undefined) return open;
    const path = this.nameOf(inode);
    if (path === null) throw new Error(`the file ${inode} has no name and is not open`);
    const handle = ++this.#lastHandle;
    this.#apply({
      kind: 'open',
      handle,
      path: fromKey(path),
      created: false,
      truncate: false,
      mode: 0,
      otherNames: [],
    });
    const made = { handle, holders: 0, generation: -1 };
    this.#opened(inode, made);
    return made;
  }

  #opened(inode: Inode, open: OpenInode): void {
    this.#open.set(inode, open);
    this.#unheld.add(inode);
    if (this.#unheld.size <= maxUnheld) return;
    const [oldest] = this.#unheld;
    if (oldest !== undefined) this.#close(oldest);
  }

  #close(inode: Inode): void {
    const open = this.#open.get(inode);
    this.#open.delete(inode);
    this.#unheld.delete(inode);
    if (open !== undefined) this.#apply({ kind: 'close', handle: open.handle });
  }

  #apply(record: LogRecord, data?: Buffer): ReturnType<Applier['apply']> {
    const applied = this.#applier.apply(record, data);
    for (const file of applied.scope.files) this.#changed.files.add(file);
    return applied;
  }

  /** The applier is not asked: the entry leaves the tree. */
  #putAside(path: TreePath, stats: BigIntStats, why: Removal): void {
    const { places, dirty, setAside } = this.#parts;
    const directory = fromKey(parentOf(path));
    dirty.nameChanged(directory, () => openDirectory(places, directory));
    places.unlocked.allow([{ path: fromKey(path), itself: 'if-directory' }], () =>
      places.directories.withEntry(fromKey(path), (entry) => setAside(entry, path, why)),
    );
    if (stats.isDirectory()) dirty.directories.removedTree(fromKey(path));
  }

  #lostName(stats: BigIntStats, path: TreePath): void {
    if (!stats.isFile()) return;
    this.#hints.remove(stats.ino, path);
    // Nobody has it open any more but us: the inode will be another file's.
    if (this.#unheld.has(stats.ino) && Number(stats.nlink) <= 1) this.#close(stats.ino);
  }

  *#verified(inode: Inode): Generator<TreePath> {
    for (const name of this.#hints.of(inode)) {
      if (this.#stats(name)?.ino === inode) yield name;
      else this.#hints.remove(inode, name);
    }
  }

  /**
   * All names of the file, by looking through the tree; and those of all files with several, and of those that are needed, on
   * the way. Takes as long as the tree is large: only where names were lost sight of.
   */
  #search(inode: Inode): TreePath[] {
    const file = this.fileOf(inode);
    const isGone = file !== null && fstatSync(file.fd, { bigint: true }).nlink === 0n;
    if (isGone || this.#nameless.has(inode)) return [];
    const found: TreePath[] = [];
    const sought = new Set([inode, ...this.#parts.needed()]);
    for (const { path, stats } of filesIn(this, (path) => this.#stats(path))) {
      if (stats.ino === inode) found.push(path);
      if (sought.has(stats.ino) || stats.nlink > 1n) this.#hints.add(stats.ino, path);
      if (stats.ino !== inode) sought.delete(stats.ino);
    }
    if (found.length > 0) sought.delete(inode);
    for (const nameless of sought) this.#nameless.add(nameless);
    return found;
  }

  #stats(path: TreePath): BigIntStats | null {
    return statsAt(this.#parts.places, path);
  }
}
