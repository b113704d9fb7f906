import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compareEntries, pairEntries } from '../../../../replicator/manifest/compare.ts';
import type { Entry } from '../../../../replicator/manifest/entry.ts';

const file: Entry = {
  name: 'f',
  type: 'file',
  mode: 0o644,
  size: 10,
  modifiedAtNs: '1700000000000000000',
  target: '',
};
const directory: Entry = { ...file, type: 'directory', size: 0, modifiedAtNs: '0' };
const link: Entry = { ...file, type: 'link', size: 0, modifiedAtNs: '0', target: 'x' };

describe('comparing entries', () => {
  it('equal size and time prove equality in a catch-up, never in a scrub', () => {
    assert.equal(compareEntries(file, file, 'metadata'), 'equal');
    assert.equal(compareEntries(file, file, 'content'), 'compare-contents');
  });

  it('times within the microsecond that Node can set are equal, others ask for the contents', () => {
    const close = { ...file, modifiedAtNs: '1700000000000000700' };
    const later = { ...file, modifiedAtNs: '1700000000000001000' };
    assert.equal(compareEntries(close, file, 'metadata'), 'equal');
    assert.equal(compareEntries(later, file, 'metadata'), 'compare-contents');
  });

  it('another size, type, link target or nothing at all means replacing', () => {
    assert.equal(compareEntries({ ...file, size: 11 }, file, 'metadata'), 'replace');
    assert.equal(compareEntries(directory, file, 'metadata'), 'replace');
    assert.equal(compareEntries(file, directory, 'metadata'), 'replace');
    assert.equal(compareEntries({ ...link, target: 'y' }, link, 'metadata'), 'replace');
    assert.equal(compareEntries(null, link, 'metadata'), 'replace');
    assert.equal(compareEntries(link, link, 'content'), 'equal');
  });

  it('another mode alone changes the mode alone', () => {
    assert.equal(compareEntries({ ...file, mode: 0o600 }, file, 'metadata'), 'attributes');
    assert.equal(compareEntries({ ...directory, mode: 0o700 }, directory, 'metadata'), 'attributes');
  });

  it('pairs both sides by name and tells what is extra', () => {
    const named = (name: string) => ({ ...file, name });
    const { pairs, extra } = pairEntries([named('a'), named('b')], [named('b'), named('c')]);
    assert.deepEqual(
      pairs.map(({ local, wanted }) => [local?.name ?? null, wanted.name]),
      [
        ['b', 'b'],
        [null, 'c'],
      ],
    );
    assert.deepEqual(
      extra.map(({ name }) => name),
      ['a'],
    );
  });
});
