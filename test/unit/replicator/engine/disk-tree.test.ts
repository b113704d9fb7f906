import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { Inode, Tree } from '../../../../replicator/core/tree.ts';
import { isWithin, joinPath, type TreePath } from '../../../../replicator/core/uncertain-names.ts';
import { VirtualDisk } from '../../../sim/engine/disk.ts';
import { Random } from '../../../sim/timeline.ts';
import { openDescriptors } from '../apply/engine.ts';
import { snapshotOf, TreeFolder } from './tree-parts.ts';

const names = ['x', 'y', 'z', 'd', '\xe9\xff'];
const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);

/** The same calls on the model's disk and on a folder. */
class Both {
  readonly random: Random;
  readonly model = new VirtualDisk();
  readonly folder = new TreeFolder();
  /** Files by the model's inode. */
  readonly files = new Map<Inode, Inode>();
  readonly held: Inode[] = [];

  constructor(random: Random) {
    this.random = random;
  }

  step(): void {
    const { random, model } = this;
    const path = this.#path();
    const found = model.find(path);
    const file = found?.kind === 'file' ? found.inode : this.#held();
    switch (random.below(12)) {
      case 0:
      case 1:
        if (found === null) this.#make(path);
        return;
      case 2: {
        const to = this.#path();
        const hasName = file !== null && model.nameOf(file) !== null;
        if (hasName && model.find(to) === null) this.#each((tree, inode) => tree.link(inode(file), to));
        return;
      }
      case 3:
      case 4:
        this.#rename(path, this.#path());
        return;
      case 5:
        if (found !== null) {
          const why = random.pick(['record', 'absent', 'displaced'] as const);
          this.#each((tree) => tree.remove(path, why));
        }
        return;
      case 6:
      case 7: {
        const data = Buffer.from(Array.from({ length: 1 + random.below(3) }, () => random.below(256)));
        const offset = random.below(6);
        if (file !== null) this.#each((tree, inode) => tree.write(inode(file), offset, data));
        return;
      }
      case 8: {
        const attributes = random.chance(0.5) ? { size: random.below(6) } : { mode: this.#mode() };
        if (file !== null) this.#each((tree, inode) => tree.setFileAttributes(inode(file), attributes));
        return;
      }
      case 9: {
        const mode = random.pick([0o755, 0o700, 0o500, 0o000]);
        if (found?.kind === 'directory') this.#each((tree) => tree.setAttributesAt(path, { mode }));
        return;
      }
      case 10:
        if (found?.kind === 'file') {
          this.folder.tree.find(path);
          this.folder.tree.hold(this.#inode(found.inode));
          this.held.push(found.inode);
        }
        return;
      default: {
        const [released] = this.held.splice(random.below(this.held.length + 1), 1);
        if (released !== undefined) this.folder.tree.release(this.#inode(released));
      }
    }
  }

  /** What is known of names is lost; nothing is open. */
  restart(): void {
    for (const inode of this.held.splice(0)) this.folder.tree.release(this.#inode(inode));
    this.folder.tree.close();
    this.folder.tree = this.folder.newTree();
    this.model.dropNameless();
  }

  check(): void {
    assert.deepEqual([...snapshotOf(this.folder.root)].sort(), [...this.model.snapshot()].sort());
    for (const [mine, there] of this.files) {
      if (this.model.sizeOf(mine) === undefined || !this.#isReachable(mine)) continue;
      const { tree } = this.folder;
      assert.deepEqual(tree.namesOf(there).sort(), this.model.namesOf(mine).sort());
      assert.equal(tree.nameOf(there) === null, this.model.nameOf(mine) === null);
      assert.equal(tree.sizeOf(there), this.model.sizeOf(mine));
    }
  }

  /** On a real disk the inode of a file that is gone becomes another's. */
  #isReachable(inode: Inode): boolean {
    return this.held.includes(inode) || this.model.nameOf(inode) !== null;
  }

  #make(path: TreePath): void {
    const kind = this.random.pick(['file', 'file', 'directory', 'symlink'] as const);
    const entry =
      kind === 'symlink' ? { kind, target: this.random.pick(names) } : { kind, mode: this.#mode() };
    const mine = this.model.make(path, entry);
    const there = this.folder.tree.make(path, entry);
    if (kind === 'file') this.files.set(mine, there);
  }

  #rename(from: TreePath, to: TreePath): void {
    const source = this.model.find(from);
    if (source === null || isWithin(to, from) || isWithin(from, to)) return;
    this.#each((tree) => tree.rename(from, to));
  }

  #each(call: (tree: Tree, inode: (inode: Inode) => Inode) => unknown): void {
    const one = call(this.model, (inode) => inode);
    assert.deepEqual(
      call(this.folder.tree, (inode) => this.#inode(inode)),
      one,
    );
  }

  #inode(inode: Inode): Inode {
    const there = this.files.get(inode);
    assert.ok(there !== undefined);
    return there;
  }

  #held(): Inode | null {
    return this.held.length === 0 ? null : this.random.pick(this.held);
  }

  #path(): TreePath {
    let directory = '';
    while (this.random.chance(0.5)) {
      const below = this.model
        .entries(directory)
        .map((name) => joinPath(directory, name))
        .filter((path) => this.model.find(path)?.kind === 'directory');
      if (below.length === 0) break;
      directory = this.random.pick(below);
    }
    return joinPath(directory, this.random.pick(names));
  }

  #mode(): number {
    return this.random.pick([0o600, 0o644, 0o755, 0o400]);
  }
}

describe(`the tree on the disk (SEED=${seed})`, () => {
  it('is as the model says, by all its names, after the same calls', () => {
    const before = openDescriptors();
    for (let story = 0; story < 20; story++) {
      const both = new Both(new Random(seed + story));
      try {
        for (let step = 0; step < 150; step++) {
          if (both.random.chance(0.02)) both.restart();
          both.step();
          if (step % 10 === 9) both.check();
        }
        both.check();
      } finally {
        both.folder.remove();
      }
    }
    assert.equal(openDescriptors(), before);
  });

  it('sets aside what an answer displaces, and directories with content; deletes what a record removes', () => {
    const folder = new TreeFolder();
    try {
      const { tree } = folder;
      tree.make('a', { kind: 'file', mode: 0o644 });
      tree.remove('a', 'record');
      assert.equal(readdirSync(folder.aside).length, 0);
      tree.make('a', { kind: 'file', mode: 0o644 });
      tree.remove('a', 'absent');
      assert.equal(readdirSync(folder.aside).length, 1);
      tree.make('d', { kind: 'directory', mode: 0o755 });
      tree.make('d/a', { kind: 'file', mode: 0o644 });
      tree.remove('d', 'record');
      assert.equal(readdirSync(folder.aside).length, 2);
    } finally {
      folder.remove();
    }
  });
});
