import type { LoggedAttributes } from '../../../replicator/core/record.ts';
import type { EntryTimes, Found, Inode, NewEntry, Tree } from '../../../replicator/core/tree.ts';
import {
  joinPath,
  nameOf,
  parentOf,
  splitPath,
  type TreePath,
} from '../../../replicator/core/uncertain-names.ts';
import type { Random } from '../timeline.ts';

interface File {
  readonly kind: 'file';
  mode: number;
  data: Uint8Array;
}
interface Directory {
  readonly kind: 'directory';
  mode: number;
  readonly entries: Map<string, Inode>;
}
interface Symlink {
  readonly kind: 'symlink';
  readonly target: string;
}
type Node = File | Directory | Symlink;

const rootInode = 1n;

/**
 * A disk with a page cache, as a tree: what was changed since the last flush may be lost by a power cut, each name of
 * a directory and each byte of a file by itself, in any combination. Not modelled: torn directories that fsck would have
 * to mend, and blocks of one file in another.
 */
export class VirtualDisk implements Tree {
  #nodes = new Map<Inode, Node>([[rootInode, { kind: 'directory', mode: 0o755, entries: new Map() }]]);
  #durable = new Map<Inode, Node>();
  #next = 2n;
  /** Made since this set was last emptied. */
  readonly newFiles = new Set<Inode>();
  /** Called before each change, with the directory whose names or attributes change, or the file. */
  beforeChange: (change: { directory: TreePath } | { file: Inode }) => void = () => {};

  constructor() {
    this.flush();
  }

  find(path: TreePath): Found | null {
    const inode = this.#inodeAt(path);
    const node = inode === undefined ? undefined : this.#nodes.get(inode);
    if (node === undefined || inode === undefined) return null;
    if (node.kind === 'file') {
      const links = this.namesOf(inode).length;
      return { kind: 'file', inode, mode: node.mode, size: node.data.length, links };
    }
    if (node.kind === 'symlink') return { kind: 'symlink', target: node.target };
    return { kind: 'directory', mode: node.mode };
  }

  entries(directory: TreePath): string[] {
    return [...this.#directory(directory).entries.keys()];
  }

  make(path: TreePath, entry: NewEntry): Inode {
    const node: Node =
      entry.kind === 'file'
        ? { kind: 'file', mode: entry.mode, data: new Uint8Array() }
        : entry.kind === 'directory'
          ? { kind: 'directory', mode: entry.mode, entries: new Map() }
          : { kind: 'symlink', target: entry.target };
    this.beforeChange({ directory: parentOf(path) });
    const inode = this.#next++;
    this.#nodes.set(inode, node);
    this.newFiles.add(inode);
    this.#enter(path, inode);
    return inode;
  }

  link(inode: Inode, path: TreePath): boolean {
    if (this.nameOf(inode) === null) return false;
    this.beforeChange({ directory: parentOf(path) });
    this.#enter(path, inode);
    return true;
  }

  rename(from: TreePath, to: TreePath): void {
    const inode = this.#inodeAt(from);
    if (inode === undefined) throw new Error(`nothing at ${from}`);
    this.beforeChange({ directory: parentOf(from) });
    if (this.find(to) !== null) this.remove(to);
    this.beforeChange({ directory: parentOf(to) });
    this.#enter(to, inode);
    this.#directory(parentOf(from)).entries.delete(nameOf(from));
  }

  remove(path: TreePath): void {
    if (this.find(path)?.kind === 'directory') {
      for (const name of this.entries(path)) this.remove(joinPath(path, name));
    }
    this.beforeChange({ directory: parentOf(path) });
    this.#directory(parentOf(path)).entries.delete(nameOf(path));
  }

  holds(inode: Inode, offset: number, data: Uint8Array): boolean {
    return Buffer.compare(this.read(inode, offset, offset + data.length), data) === 0;
  }

  fill(inode: Inode, offset: number, data: Uint8Array): void {
    this.write(inode, offset, data);
  }

  /** Times are not modelled. */
  timesAt(): EntryTimes {
    return { accessedAtUs: 0, modifiedAtUs: 0 };
  }

  write(inode: Inode, offset: number, data: Uint8Array): void {
    this.beforeChange({ file: inode });
    const file = this.#file(inode);
    const size = Math.max(file.data.length, offset + data.length);
    const changed = resized(file.data, size);
    changed.set(data, offset);
    file.data = changed;
  }

  read(inode: Inode, from: number, to: number): Uint8Array {
    return this.#file(inode).data.slice(from, to);
  }

  setFileAttributes(inode: Inode, { size, mode }: LoggedAttributes): void {
    this.beforeChange({ file: inode });
    const file = this.#file(inode);
    if (mode !== undefined) file.mode = mode;
    if (size !== undefined) file.data = resized(file.data, size);
  }

  setAttributesAt(path: TreePath, { mode }: LoggedAttributes): void {
    if (mode === undefined) return;
    this.beforeChange({ directory: parentOf(path) });
    this.#directory(path).mode = mode;
  }

  /** Inodes are never given twice here, and files without a name stay until the process dies. */
  hold(_inode?: Inode): void {}

  release(_inode?: Inode): void {}

  sizeOf(inode: Inode): number | undefined {
    const node = this.#nodes.get(inode);
    return node?.kind === 'file' ? node.data.length : undefined;
  }

  nameOf(inode: Inode): TreePath | null {
    return this.namesOf(inode)[0] ?? null;
  }

  namesOf(inode: Inode): TreePath[] {
    return [...this.#walk(this.#nodes, rootInode, '')].filter(([, at]) => at === inode).map(([path]) => path);
  }

  /** Everything as it is now would survive a power cut. */
  flush(): void {
    this.#durable = new Map([...this.#nodes].map(([inode, node]) => [inode, copyOf(node)]));
  }

  /** For a flush that takes time: what it makes durable is what is there when it begins. */
  beginFlush(): () => void {
    const captured = new Map([...this.#nodes].map(([inode, node]) => [inode, copyOf(node)]));
    return () => {
      this.#durable = captured;
    };
  }

  /** All processes are gone: files without a name with them. */
  dropNameless(): void {
    const named = new Set([...this.#walk(this.#nodes, rootInode, '')].map(([, inode]) => inode));
    for (const inode of this.#nodes.keys())
      if (inode !== rootInode && !named.has(inode)) this.#nodes.delete(inode);
  }

  powerCut(random: Random): void {
    const lost = random.below(4);
    const keeps = (): boolean => (lost === 0 ? false : lost === 1 ? true : random.chance(0.5));
    const after = new Map<Inode, Node>();
    for (const [inode, now] of this.#nodes) {
      const then = this.#durable.get(inode);
      if (now.kind === 'file') after.set(inode, survivingFile(now, then as File | undefined, keeps));
      else if (now.kind === 'directory')
        after.set(inode, survivingDirectory(now, then as Directory | undefined, keeps));
      else after.set(inode, now);
    }
    for (const [inode, then] of this.#durable) if (!after.has(inode)) after.set(inode, copyOf(then));
    this.#nodes = withoutDoubles(after);
    this.dropNameless();
    this.flush();
  }

  /** All that can be seen of the tree; names of one file tell each other. */
  snapshot(): Map<TreePath, string> {
    const names = new Map<Inode, TreePath[]>();
    const all = [...this.#walk(this.#nodes, rootInode, '')];
    for (const [path, inode] of all) names.set(inode, [...(names.get(inode) ?? []), path]);
    return new Map(
      all.map(([path, inode]) => {
        const node = this.#nodes.get(inode);
        if (node?.kind === 'file') {
          const links = (names.get(inode) ?? []).toSorted().join(' ');
          return [path, `file ${node.mode} ${Buffer.from(node.data).toString('hex')} ${links}`];
        }
        return [path, node?.kind === 'symlink' ? `symlink ${node.target}` : `directory ${node?.mode}`];
      }),
    );
  }

  *#walk(
    nodes: ReadonlyMap<Inode, Node>,
    inode: Inode,
    path: TreePath,
  ): Generator<[path: TreePath, inode: Inode]> {
    const node = nodes.get(inode);
    if (node?.kind !== 'directory') return;
    for (const [name, below] of node.entries) {
      yield [joinPath(path, name), below];
      yield* this.#walk(nodes, below, joinPath(path, name));
    }
  }

  #inodeAt(path: TreePath): Inode | undefined {
    let inode: Inode | undefined = rootInode;
    for (const part of splitPath(path)) {
      const node: Node | undefined = inode === undefined ? undefined : this.#nodes.get(inode);
      inode = node?.kind === 'directory' ? node.entries.get(part) : undefined;
    }
    return inode;
  }

  #directory(path: TreePath): Directory {
    const node = this.#nodes.get(this.#inodeAt(path) ?? 0n);
    if (node?.kind !== 'directory') throw new Error(`no directory at '${path}'`);
    return node;
  }

  #file(inode: Inode): File {
    const node = this.#nodes.get(inode);
    if (node?.kind !== 'file') throw new Error(`no file ${inode}`);
    return node;
  }

  #enter(path: TreePath, inode: Inode): void {
    const { entries } = this.#directory(parentOf(path));
    if (entries.has(nameOf(path))) throw new Error(`something is at '${path}'`);
    entries.set(nameOf(path), inode);
  }
}

function copyOf(node: Node): Node {
  if (node.kind === 'file') return { ...node, data: node.data.slice() };
  if (node.kind === 'directory') return { ...node, entries: new Map(node.entries) };
  return node;
}

function resized(data: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  const changed = new Uint8Array(size);
  changed.set(data.subarray(0, size));
  return changed;
}

function survivingFile(now: File, then: File | undefined, keeps: () => boolean): File {
  const before = then?.data ?? new Uint8Array();
  if (Buffer.compare(before, now.data) === 0)
    return { ...now, mode: keeps() ? now.mode : (then?.mode ?? now.mode) };
  const size = keeps() ? now.data.length : before.length;
  const data = new Uint8Array(size);
  for (let at = 0; at < size; at++) data[at] = (keeps() ? now.data[at] : before[at]) ?? 0;
  return { kind: 'file', mode: keeps() ? now.mode : (then?.mode ?? now.mode), data };
}

function survivingDirectory(now: Directory, then: Directory | undefined, keeps: () => boolean): Directory {
  const before = then?.entries ?? new Map<string, Inode>();
  const entries = new Map<string, Inode>();
  for (const name of new Set([...before.keys(), ...now.entries.keys()])) {
    const isChanged = before.get(name) !== now.entries.get(name);
    const inode = !isChanged || keeps() ? now.entries.get(name) : before.get(name);
    if (inode !== undefined) entries.set(name, inode);
  }
  return { kind: 'directory', mode: keeps() ? now.mode : (then?.mode ?? now.mode), entries };
}

/** A directory that would be in two places, or in itself, stays in the first one that is met. */
function withoutDoubles(nodes: Map<Inode, Node>): Map<Inode, Node> {
  const met = new Set<Inode>([rootInode]);
  const visit = (inode: Inode): void => {
    const node = nodes.get(inode);
    if (node?.kind !== 'directory') return;
    for (const [name, below] of node.entries) {
      if (nodes.get(below)?.kind !== 'directory') continue;
      if (met.has(below)) node.entries.delete(name);
      else {
        met.add(below);
        visit(below);
      }
    }
  };
  visit(rootInode);
  return nodes;
}
