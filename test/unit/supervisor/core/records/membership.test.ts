import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { changedMembers } from '../../../../../supervisor/core/records/membership.ts';

describe('the in-sync set after a change', () => {
  it('always has the leader in it, and each host once', () => {
    assert.deepEqual(changedMembers(['a', 'b'], 'add', 'c', 'a'), ['a', 'b', 'c']);
    assert.deepEqual(changedMembers(['a', 'b'], 'add', 'b', 'a'), ['a', 'b']);
    assert.deepEqual(changedMembers(['a', 'b', 'c'], 'remove', 'b', 'a'), ['a', 'c']);
    assert.deepEqual(changedMembers(['a', 'b'], 'remove', 'a', 'a'), ['a', 'b']);
    assert.deepEqual(changedMembers(['b'], 'add', 'b', 'a'), ['a', 'b']);
  });
});
