import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NameHistory } from '../../torture/model/name-history.ts';
import {
  added,
  createdUnlessThere,
  FileItem,
  FolderItem,
  folderRemoved,
  linked,
  type NameChange,
  type Names,
  removed,
  renamed,
} from '../../torture/model/names.ts';

const file = () => new FileItem();
const shown = (names: Names) => [...names.keys()].sort().join(' ');

function after(...changes: readonly NameChange[]): Names {
  return changes.reduce<Names>((names, change) => {
    const next = change(names);
    assert.ok(next !== null, 'it is possible');
    return next;
  }, new Map());
}

describe('a change of names', () => {
  const base = after(added('d', new FolderItem()), added('d/f', file()), added('g', file()));

  it('moves a folder with all below it', () => {
    assert.equal(shown(renamed('d', 'e', false)(base) ?? new Map()), 'e e/f g');
  });

  it('is not possible where a name is in the way, missing, or below itself', () => {
    for (const change of [
      added('g', file()),
      added('x/f', file()),
      renamed('d/f', 'g', false),
      renamed('d', 'd/e', false),
      renamed('d', 'g', true),
      renamed('g', 'd', true),
      renamed('x', 'y', true),
      folderRemoved('d'),
      folderRemoved('g'),
      removed('d'),
      linked('d', 'e'),
    ])
      assert.equal(change(base), null);
  });

  it('replaces a file, and leaves two names of one file as they are', () => {
    assert.equal(shown(renamed('g', 'd/f', true)(base) ?? new Map()), 'd d/f');
    const twice = after(added('a', file()), linked('a', 'b'));
    assert.equal(twice.get('a'), twice.get('b'));
    assert.equal(renamed('a', 'b', true)(twice), twice);
  });
});

describe('the names that may be there', () => {
  const candidates = (history: NameHistory) => history.candidates.map(shown).sort();

  it('are those that were acknowledged', () => {
    const history = new NameHistory();
    history.acknowledged(added('a', file()));
    history.acknowledged(renamed('a', 'b', false));
    assert.deepEqual(candidates(history), ['b']);
    assert.ok(history.isSettled);
  });

  it('are those before and after a change that was not answered, until what was seen is durable', () => {
    const history = new NameHistory();
    history.acknowledged(added('a', file()));
    history.doubtful(renamed('a', 'b', false));
    assert.deepEqual(candidates(history), ['a', 'b']);
    const [, seen] = history.candidates;
    history.adopt(seen ?? new Map());
    assert.deepEqual(candidates(history), ['b']);
  });

  it('have a file that OPEN made, or not, until its CLOSE is acknowledged', () => {
    const history = new NameHistory();
    const confirm = history.answered(createdUnlessThere('a', file()));
    assert.equal(shown(history.latest), 'a');
    assert.deepEqual(candidates(history), ['', 'a']);
    confirm();
    assert.deepEqual(candidates(history), ['a']);
  });

  it('follow what was acknowledged after it: a name that was renamed had been made', () => {
    const history = new NameHistory();
    history.answered(createdUnlessThere('a', file()));
    history.acknowledged(renamed('a', 'b', false));
    assert.deepEqual(candidates(history), ['b']);
  });

  it('are every choice of several changes that were not answered', () => {
    const history = new NameHistory();
    history.doubtful(added('a', file()));
    history.doubtful(added('b', file()));
    assert.deepEqual(candidates(history), ['', 'a', 'a b', 'b']);
  });
});
