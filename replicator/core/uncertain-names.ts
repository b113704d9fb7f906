import type { Scope } from './record.ts';

/** A path from the files root, one character (U+0000 to U+00FF) a byte; '' is the root. */
export type TreePath = string;

export interface UncertainName {
  readonly path: TreePath;
  readonly scope: Scope;
  /** Of a directory whose names are uncertain: those up to and with this one, in byte order, are known all the same. */
  readonly knownUpTo?: string;
}

type Entries = 'certain' | 'names' | 'trees';

interface Node {
  /** Whether what the name itself is, is uncertain. */
  name: boolean;
  /** Of a directory: whether the names in it are uncertain, and with `trees` all below them too. */
  entries: Entries;
  /** When `entries` are uncertain: which names there are up to and with this one is known, and marks below count. */
  knownUpTo: string | null;
  readonly below: Map<string, Node>;
}

/**
 * The names of a tree of which this host does not know what they are on the leader. A name below an uncertain one is
 * uncertain too. Memory goes with the number of marks, not with the size of the tree.
 */
export class UncertainNames {
  #root: Node = emptyNode();

  constructor(names: Iterable<UncertainName> = []) {
    for (const { path, scope, knownUpTo } of names) {
      this.mark(path, scope);
      if (knownUpTo !== undefined) this.settleEntries(path, knownUpTo);
    }
  }

  get isEmpty(): boolean {
    return isCertain(this.#root) && this.#root.below.size === 0;
  }

  /** Whether what lies at the path is known, and so are all directories above it. */
  isCertain(path: TreePath): boolean {
    let node = this.#root;
    for (const part of splitPath(path)) {
      if (node.name || !hasKnown(node, part)) return false;
      const next = node.below.get(part);
      if (next === undefined) return true;
      node = next;
    }
    return !node.name;
  }

  /** Whether the name can be given a meaning: its directory is known, and so is whether the directory has the name. */
  mayDefine(path: TreePath): boolean {
    const directory = parentOf(path);
    const node = this.#find(directory);
    return this.isCertain(directory) && (node === undefined || hasKnown(node, nameOf(path)));
  }

  mark(path: TreePath, scope: Scope): void {
    const parts = splitPath(path);
    if (this.#isCovered(parts)) return;
    const node = this.#make(parts);
    // The root is always a directory.
    if (scope !== 'entries' && parts.length > 0) node.name = true;
    if (scope === 'name') return;
    if (scope === 'tree') node.entries = 'trees';
    else if (node.entries === 'certain') node.entries = 'names';
    node.knownUpTo = null;
    if (node.entries === 'trees') node.below.clear();
  }

  /** What is uncertain of the path itself and its entries. */
  at(path: TreePath): { name: boolean; entries: Entries; knownUpTo: string | null } {
    const { name, entries, knownUpTo } = this.#find(path) ?? emptyNode();
    return { name, entries, knownUpTo };
  }

  /** What lies at the path is known now; its entries stay as they were. */
  settleName(path: TreePath): void {
    const node = this.#find(path);
    if (node === undefined) return;
    node.name = false;
    this.#prune(splitPath(path));
  }

  /** Which names the directory has is known now, up to and with `upTo` in byte order; null: all of them. */
  settleEntries(path: TreePath, upTo: string | null): void {
    const node = this.#find(path);
    if (node === undefined || node.entries === 'certain') return;
    node.knownUpTo = upTo;
    if (upTo !== null) return;
    node.entries = 'certain';
    this.#prune(splitPath(path));
  }

  /** Everything at the path and below it is known now. */
  settleTree(path: TreePath): void {
    const parts = splitPath(path);
    if (parts.length === 0) {
      this.#root = emptyNode();
      return;
    }
    this.#find(parentOf(path))?.below.delete(nameOf(path));
    this.#prune(parts.slice(0, -1));
  }

  /** What lay at `from` lies at `to` now: what was uncertain below it goes along. */
  move(from: TreePath, to: TreePath): void {
    const moved = this.#find(from);
    this.settleTree(from);
    this.settleTree(to);
    if (moved === undefined || (isCertain(moved) && moved.below.size === 0)) return;
    const parent = this.#make(splitPath(parentOf(to)));
    parent.below.set(nameOf(to), moved);
  }

  /** All marks, those above before those below. */
  *all(): Generator<UncertainName> {
    yield* marksOf(this.#root, '');
  }

  /**
   * The marks that have no uncertain name above them: those that can be asked for. What is below a directory comes before
   * its further names, so that the marks stay few.
   */
  *topmost(): Generator<UncertainName> {
    yield* topmostOf(this.#root, '');
  }

  /** Whether a directory above is uncertain with all below it. */
  #isCovered(parts: readonly string[]): boolean {
    let node: Node | undefined = this.#root;
    for (const part of parts) {
      if (node === undefined) return false;
      if (node.entries === 'trees' && !hasKnown(node, part)) return true;
      node = node.below.get(part);
    }
    return false;
  }

  #find(path: TreePath): Node | undefined {
    let node: Node | undefined = this.#root;
    for (const part of splitPath(path)) node = node?.below.get(part);
    return node;
  }

  #make(parts: readonly string[]): Node {
    let node = this.#root;
    for (const part of parts) {
      let next = node.below.get(part);
      if (next === undefined) {
        next = emptyNode();
        node.below.set(part, next);
      }
      node = next;
    }
    return node;
  }

  #prune(parts: readonly string[]): void {
    const nodes = [this.#root];
    for (const part of parts) {
      const next = nodes.at(-1)?.below.get(part);
      if (next === undefined) break;
      nodes.push(next);
    }
    for (let depth = nodes.length - 1; depth > 0; depth--) {
      const node = nodes[depth];
      if (node === undefined || !isCertain(node) || node.below.size > 0) return;
      nodes[depth - 1]?.below.delete(parts[depth - 1] ?? '');
    }
  }
}

function emptyNode(): Node {
  return { name: false, entries: 'certain', knownUpTo: null, below: new Map() };
}

function isCertain(node: Node): boolean {
  return !node.name && node.entries === 'certain';
}

/** Of a directory: whether it is known what this entry is, or that it is not there; but for its own mark. */
function hasKnown(node: Node, entry: string): boolean {
  return node.entries === 'certain' || (node.knownUpTo !== null && entry <= node.knownUpTo);
}

function scopesOf(node: Node): Scope[] {
  if (node.name && node.entries === 'trees') return ['tree'];
  const scopes: Scope[] = node.name ? ['name'] : [];
  if (node.entries === 'names') scopes.push('entries');
  // Without its own name: only the root, or a directory that was answered, is in this state.
  if (node.entries === 'trees') scopes.push('tree');
  return scopes;
}

function* marksOf(node: Node, path: TreePath): Generator<UncertainName> {
  const { knownUpTo } = node;
  for (const scope of scopesOf(node)) {
    yield scope === 'name' || knownUpTo === null ? { path, scope } : { path, scope, knownUpTo };
  }
  for (const [name, below] of node.below) yield* marksOf(below, joinPath(path, name));
}

function* topmostOf(node: Node, path: TreePath): Generator<UncertainName> {
  if (node.name) {
    yield { path, scope: 'name' };
    return;
  }
  for (const [name, below] of node.below) {
    if (hasKnown(node, name)) yield* topmostOf(below, joinPath(path, name));
  }
  if (node.entries === 'certain') return;
  yield { path, scope: 'entries', ...(node.knownUpTo !== null && { knownUpTo: node.knownUpTo }) };
}

export function splitPath(path: TreePath): string[] {
  return path === '' ? [] : path.split('/');
}

export function parentOf(path: TreePath): TreePath {
  const slash = path.lastIndexOf('/');
  return slash === -1 ? '' : path.slice(0, slash);
}

export function nameOf(path: TreePath): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

export function joinPath(directory: TreePath, name: string): TreePath {
  return directory === '' ? name : `${directory}/${name}`;
}

/** Whether `path` is `above` or lies below it. */
export function isWithin(path: TreePath, above: TreePath): boolean {
  return above === '' || path === above || path.startsWith(`${above}/`);
}
