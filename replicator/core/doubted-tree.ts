import { toKey } from '../tree/path.ts';
import { type EntriesPage, firstBehind } from './answers.ts';
import type { Doubts } from './doubts.ts';
import type { Handles } from './handles.ts';
import type { LoggedAttributes, Scope } from './record.ts';
import type { Found, Inode, NewEntry, Removal, Tree } from './tree.ts';
import { isWithin, type TreePath } from './uncertain-names.ts';

/** A tree, what of it is doubted, and the handles that are open in it: what changes one of them minds the others. */
export class DoubtedTree {
  readonly tree: Tree;
  readonly doubts: Doubts;
  readonly handles: Handles;
  /** The names that this host has in the directory of which pages come, ascending: it is not read for each page. */
  #listed: { readonly path: TreePath; readonly names: readonly string[]; upTo: string } | null = null;

  constructor(tree: Tree, doubts: Doubts, handles: Handles) {
    this.tree = tree;
    this.doubts = doubts;
    this.handles = handles;
  }

  /** Does not know what the name is, from now on. */
  doubt(path: TreePath, scope: Scope): void {
    this.forgetListed(path);
    this.doubts.mark(path, scope);
  }

  lookUp(path: TreePath): Found | null {
    return this.doubts.names.isCertain(path) ? this.tree.find(path) : null;
  }

  /**
   * From now on this is what lies at the path, and nothing else, if its directory is known; else the name is uncertain.
   * @returns the inode of a new file; null when it could not be made here
   */
  define(path: TreePath, entry: NewEntry | null, why: Removal = 'record'): Inode | null {
    this.handles.forgetPaths(path);
    if (!this.doubts.names.mayDefine(path)) {
      this.doubt(path, 'tree');
      return null;
    }
    this.clear(path, why);
    this.doubts.settle(path, 'tree');
    if (entry === null) return null;
    return entry.kind === 'file' ? this.makeFile(path, entry.mode) : this.tree.make(path, entry);
  }

  clear(path: TreePath, why: Removal): void {
    this.forgetListed(path);
    const found = this.tree.find(path);
    if (found !== null) this.tree.remove(path, why);
    this.lostName(found);
  }

  /** A name is gone. What a file without a name lacks is never fetched (R3); nor is it looked for in the whole tree. */
  lostName(found: Found | null): void {
    if (found?.kind === 'file' && found.links === 1) this.doubts.drop(found.inode);
  }

  /** It lacks nothing, whatever a file lacked that had the same inode before. */
  makeFile(path: TreePath, mode: number): Inode {
    const inode = this.tree.make(path, { kind: 'file', mode });
    this.doubts.drop(inode);
    return inode;
  }

  /** It changes, and is not known by this name: nor must it be trusted by the others. */
  doubtFile(path: TreePath, otherNames: readonly Buffer[]): void {
    this.doubt(path, 'name');
    for (const name of otherNames) this.doubt(toKey(name), 'name');
  }

  setFileAttributes(inode: Inode, attributes: LoggedAttributes): void {
    this.tree.setFileAttributes(inode, attributes);
    if (attributes.size !== undefined) this.doubts.know(inode, attributes.size, Number.MAX_SAFE_INTEGER);
  }

  /** The file when it is known here by another name: then so is its content, but for the ranges that it lacks. */
  fileByName(names: readonly TreePath[]): Inode | null {
    for (const name of names) {
      const found = this.lookUp(name);
      if (found?.kind === 'file') return found.inode;
    }
    return null;
  }

  isDirectory(path: TreePath): boolean {
    return path === '' || this.tree.find(path)?.kind === 'directory';
  }

  /**
   * Whether nothing is doubted. A file without a name is never fetched (R3), so what it lacks does not count. Looks up
   * files that lack something only as far as the first that has a name: this is asked for every barrier.
   */
  get isComplete(): boolean {
    if (!this.doubts.names.isEmpty) return false;
    for (const inode of this.doubts.missing.keys()) if (!this.#dropIfNameless(inode)) return false;
    return true;
  }

  /** A file without a name is never fetched (R3). Looks up each file that lacks something. */
  dropNameless(): void {
    for (const inode of this.doubts.missing.keys()) this.#dropIfNameless(inode);
  }

  /** The directory at the path, or one above, is another one from now on, or is doubted. */
  forgetListed(path: TreePath): void {
    if (this.#listed !== null && isWithin(this.#listed.path, path)) this.#listed = null;
  }

  doubtRename(from: TreePath, to: TreePath): void {
    this.doubt(from, 'tree');
    this.doubt(to, 'tree');
    this.handles.move(from, to);
  }

  /** The names that lie here in the range of a page. */
  ownEntries(path: TreePath, { after, upTo }: EntriesPage): readonly string[] {
    const isNext = this.#listed !== null && this.#listed.path === path && this.#listed.upTo === after;
    const names = this.#listed !== null && isNext ? this.#listed.names : this.tree.entries(path).sort();
    this.#listed = upTo === null ? null : { path, names, upTo };
    const from = after === null ? 0 : firstBehind(names, after);
    return names.slice(from, upTo === null ? undefined : firstBehind(names, upTo));
  }

  forgetListing(): void {
    this.#listed = null;
  }

  #dropIfNameless(inode: Inode): boolean {
    const isNameless = this.tree.nameOf(inode) === null;
    if (isNameless) this.doubts.drop(inode);
    return isNameless;
  }
}
