import assert from 'node:assert/strict';
import { linkSync, lstatSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { rememberLinks } from '../../../../replicator/engine/link-walk.ts';
import { TreeFolder } from './tree-parts.ts';

describe('a walk for files with several names', () => {
  let folder: TreeFolder;
  beforeEach(() => {
    folder = new TreeFolder();
    for (const name of ['a', 'b', 'b/c']) mkdirSync(join(folder.root, name));
    for (let number = 0; number < 200; number++) writeFileSync(join(folder.root, 'a', `f${number}`), '');
    linkSync(join(folder.root, 'a/f7'), join(folder.root, 'b/c/link'));
  });
  afterEach(() => folder.remove());

  it('spares the search of the tree for whoever needs all names of one', async () => {
    const { tree } = folder;
    await rememberLinks(tree, () => false);
    const { ino } = lstatSync(join(folder.root, 'a/f7'), { bigint: true });
    let searched = 0;
    const entries = tree.entries.bind(tree);
    tree.entries = (directory) => {
      searched += 1;
      return entries(directory);
    };
    assert.deepEqual(tree.namesOf(ino).sort(), ['a/f7', 'b/c/link']);
    assert.equal(searched, 0);
    tree.rename('a/f7', 'b/moved');
    assert.deepEqual(tree.namesOf(ino).sort(), ['b/c/link', 'b/moved']);
    assert.equal(searched, 0);
  });

  it('ends when it is told to', async () => {
    let looked = 0;
    const { tree } = folder;
    const passes = tree.passes.bind(tree);
    tree.passes = (path) => {
      looked += 1;
      return passes(path);
    };
    await rememberLinks(tree, () => looked >= 10);
    assert.equal(looked, 10);
  });
});
