import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isWithin, parentOf, splitPath } from '../../../../replicator/tree/path.ts';

describe('paths', () => {
  it('split into plain names of bytes', () => {
    const parts = splitPath(Buffer.from('a/\xff b/..c', 'latin1'));
    assert.deepEqual(
      parts.map((part) => part.toString('latin1')),
      ['a', '\xff b', '..c'],
    );
    assert.deepEqual(splitPath(Buffer.alloc(0)), []);
  });

  it('that leave the tree or name nothing are refused at the door', () => {
    for (const path of ['/etc', 'a/../b', '..', '.', 'a/./b', 'a//b', 'a/', 'a\0b', 'x'.repeat(256)]) {
      assert.throws(() => splitPath(Buffer.from(path)), { name: 'FormatError' }, JSON.stringify(path));
    }
  });

  it('know what is above them', () => {
    assert.equal(parentOf(Buffer.from('a/b/c')).toString(), 'a/b');
    assert.equal(parentOf(Buffer.from('a')).toString(), '');
    assert.ok(isWithin(Buffer.from('a/b'), Buffer.from('a')));
    assert.ok(!isWithin(Buffer.from('ab'), Buffer.from('a')));
    assert.ok(isWithin(Buffer.from('ab'), Buffer.alloc(0)));
  });
});
