import type { Inode, Tree } from './tree.ts';
import { isWithin, type TreePath } from './uncertain-names.ts';

/** An open handle of a client. Without inode: of a file that is not known here, or has no name any more. */
export interface Handle {
  readonly inode: Inode | null;
  /** Where the file is now; null when it was removed or replaced. */
  readonly path: TreePath | null;
}

export type HandleState = readonly (Handle & { readonly handle: number })[];

/** The open handles by the records so far. The tree holds each file that one is bound to. */
export class Handles {
  readonly #tree: Pick<Tree, 'hold' | 'release'>;
  readonly #handles = new Map<number, Handle>();

  constructor(tree: Pick<Tree, 'hold' | 'release'>, state: HandleState) {
    this.#tree = tree;
    for (const { handle, inode, path } of state) this.bind(handle, { inode, path });
  }

  get all(): ReadonlyMap<number, Handle> {
    return this.#handles;
  }

  get state(): HandleState {
    return [...this.#handles].map(([handle, { inode, path }]) => ({ handle, inode, path }));
  }

  /** The file of a handle; null when it is not open, or its file is not known. */
  inodeOf(handle: number): Inode | null {
    return this.#handles.get(handle)?.inode ?? null;
  }

  isOpen(inode: Inode): boolean {
    return [...this.#handles.values()].some((open) => open.inode === inode);
  }

  bind(handle: number, { inode, path }: Handle): void {
    const before = this.inodeOf(handle);
    this.#handles.set(handle, { inode, path });
    if (before === inode) return;
    if (inode !== null) this.#tree.hold(inode);
    if (before !== null) this.#tree.release(before);
  }

  close(handle: number): void {
    const inode = this.inodeOf(handle);
    this.#handles.delete(handle);
    if (inode !== null) this.#tree.release(inode);
  }

  closeAll(): void {
    for (const handle of [...this.#handles.keys()]) this.close(handle);
  }

  /** What lay at `from` lies at `to`. */
  move(from: TreePath, to: TreePath): void {
    this.forgetPaths(to);
    for (const [handle, { inode, path }] of this.#handles) {
      if (path === null || !isWithin(path, from)) continue;
      this.#handles.set(handle, { inode, path: to + path.slice(from.length) });
    }
  }

  /** Nothing of what was at the path, or below it, is there any more. */
  forgetPaths(path: TreePath): void {
    for (const [handle, { inode, path: at }] of this.#handles) {
      if (at !== null && isWithin(at, path)) this.#handles.set(handle, { inode, path: null });
    }
  }
}
