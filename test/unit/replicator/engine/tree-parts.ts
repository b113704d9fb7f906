/** A DiskTree over a temporary folder, and what tests look at. */
import {
  closeSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Directories } from '../../../../replicator/apply/directories.ts';
import { DirtyFiles } from '../../../../replicator/apply/dirty-files.ts';
import { Unlocked } from '../../../../replicator/apply/unlocked.ts';
import { joinPath, type TreePath } from '../../../../replicator/core/uncertain-names.ts';
import { DiskTree } from '../../../../replicator/engine/disk-tree.ts';
import type { BeforeChange } from '../../../../replicator/engine/disk-tree-parts.ts';
import { removeAll } from '../apply/engine.ts';

export class TreeFolder {
  readonly folder = mkdtempSync(join(tmpdir(), 'holdfast-engine-'));
  readonly root = join(this.folder, 'files');
  readonly aside = join(this.folder, 'aside');
  readonly dirty = new DirtyFiles(closeSync);
  readonly directories: Directories;
  readonly unlocked: Unlocked;
  readonly before: BeforeChange = { names() {}, file() {}, moves() {}, generation: 0 };
  tree: DiskTree;
  #aside = 0;

  constructor() {
    mkdirSync(this.root, { mode: 0o755 });
    mkdirSync(this.aside);
    this.directories = new Directories(this.root);
    this.unlocked = new Unlocked(this.directories, join(this.folder, 'modes'));
    this.tree = this.newTree();
  }

  /** Without what the one before knew of names. */
  newTree(): DiskTree {
    return new DiskTree({
      places: { directories: this.directories, unlocked: this.unlocked },
      dirty: this.dirty,
      before: this.before,
      setAside: (entry) => renameSync(entry, join(this.aside, String(this.#aside++))),
      isNeeded: () => false,
      needed: () => [],
    });
  }

  remove(): void {
    this.tree.close();
    this.dirty.closeAll();
    this.unlocked.close();
    this.directories.close();
    removeAll(this.folder);
  }
}

/** As the model's disk tells it: names of one file tell each other. */
export function snapshotOf(root: string): Map<TreePath, string> {
  const seen: { path: TreePath; inode: bigint; shown: string | null }[] = [];
  const names = new Map<bigint, TreePath[]>();
  const visit = (directory: TreePath) => {
    for (const name of readdirSync(at(root, directory), { encoding: 'latin1' })) {
      const path = joinPath(directory, name);
      const stats = lstatSync(at(root, path), { bigint: true });
      const mode = Number(stats.mode) & 0o7777;
      let shown: string | null = null;
      if (stats.isDirectory()) shown = `directory ${mode}`;
      if (stats.isSymbolicLink()) shown = `symlink ${readlinkSync(at(root, path), { encoding: 'latin1' })}`;
      if (stats.isFile()) names.set(stats.ino, [...(names.get(stats.ino) ?? []), path]);
      seen.push({ path, inode: stats.ino, shown });
      if (stats.isDirectory()) visit(path);
    }
  };
  visit('');
  return new Map(
    seen.map(({ path, inode, shown }) => {
      if (shown !== null) return [path, shown];
      const mode = Number(lstatSync(at(root, path)).mode) & 0o7777;
      const data = readFileSync(at(root, path)).toString('hex');
      return [path, `file ${mode} ${data} ${(names.get(inode) ?? []).toSorted().join(' ')}`];
    }),
  );
}

function at(root: string, path: TreePath): Buffer {
  return Buffer.concat([Buffer.from(`${root}/`), Buffer.from(path, 'latin1')]);
}
