import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { describe, it } from 'node:test';
import { type FreeSpace, freeSpaceOf, Space } from '../../../../replicator/apply/space.ts';

const limits = { reserveBytes: 1000_000, reserveFiles: 10 };

describe('room on the disk', () => {
  let free: FreeSpace;
  let looks: number;
  const spaceOf = (start: Partial<FreeSpace>) => {
    free = { bytes: 2_000_000, files: 1000, isReadOnly: false, ...start };
    looks = 0;
    return new Space(() => {
      looks += 1;
      return free;
    }, limits);
  };

  it('is refused beyond a reserve, and only after a fresh look', () => {
    const space = spaceOf({});
    assert.equal(space.refuses({ bytes: 1_000_000 }), null);
    free = { ...free, bytes: 1_000_000 };
    assert.equal(space.refuses({ bytes: 1 }), 'ENOSPC');
    free = { ...free, bytes: 5_000_000 };
    assert.equal(space.refuses({ bytes: 4_000_000 }), null);
  });

  it('is not given away twice between two looks', () => {
    const space = spaceOf({});
    let given = 0;
    for (let n = 0; n < 100; n++) {
      const before = looks;
      if (space.refuses({ bytes: 90_000 }) !== null) break;
      // The file system says so only when it is asked.
      if (looks > before) free = { ...free };
      given += 90_000;
      free = { ...free, bytes: 2_000_000 - given };
    }
    assert.ok(given <= 1_000_000, `${given} of 1000000`);
    assert.ok(given > 800_000, `${given} of 1000000`);
  });

  it('counts inodes, where the file system has a number of them', () => {
    const space = spaceOf({ files: 12, bytes: 2 ** 40 });
    assert.equal(space.refuses({ names: 1 }), null);
    assert.equal(space.refuses({ names: 1 }), null);
    free = { ...free, files: 10 };
    assert.equal(space.refuses({ names: 1 }), 'ENOSPC');
    assert.equal(space.refuses({ bytes: 100 }), null, 'a file that is there may grow');
    assert.equal(spaceOf({ files: Number.POSITIVE_INFINITY }).refuses({ names: 1 }), null);
  });

  it('sees a file system that turned read-only, at the latest after some changes, or when it is told', () => {
    const space = spaceOf({ bytes: 2 ** 50 });
    free = { ...free, isReadOnly: true };
    let admitted = 0;
    while (space.refuses({ bytes: 1 }) === null && admitted < 1000) admitted += 1;
    assert.ok(admitted <= 64, `${admitted} were let through`);
    assert.equal(space.refuses({ bytes: 1 }), 'EROFS');
    assert.equal(space.isReadOnly, true);
    free = { ...free, isReadOnly: false };
    space.lookAgain();
    assert.deepEqual([space.isReadOnly, space.refuses({ bytes: 1 })], [false, null]);
    free = { ...free, isReadOnly: true };
    for (let n = 0; n < 64; n++) space.isReadOnly;
    assert.equal(space.isReadOnly, true);
  });

  it('is what statfs says of a real one', () => {
    const { bytes, files, isReadOnly } = freeSpaceOf(tmpdir());
    assert.ok(bytes > 0 && files > 0);
    assert.equal(isReadOnly, false);
    assert.equal(freeSpaceOf('/proc').bytes, 0);
  });
});
