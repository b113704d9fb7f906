import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { describe, it } from 'node:test';
import { hasMountsBelow, syncFileSystem } from '../../../../replicator/apply/whole-disk.ts';

const mounts = [
  '21 1 254:0 / / rw,relatime - ext4 /dev/vda rw',
  '40 21 254:1 / /srv/data rw,relatime - ext4 /dev/vdb rw',
  '41 40 254:2 / /srv/data/with\\040blank/home rw,relatime - ext4 /dev/vdc rw',
].join('\n');

describe('a file system as a whole', () => {
  it('has other mounts below a folder, or not', () => {
    assert.equal(hasMountsBelow('/srv', mounts), true);
    assert.equal(hasMountsBelow('/srv/data', mounts), true);
    assert.equal(hasMountsBelow('/srv/data/with blank', mounts), true);
    assert.equal(hasMountsBelow('/srv/data/with', mounts), false);
    assert.equal(hasMountsBelow('/srv/data/with blank/home', mounts), false);
  });

  it('is flushed, or not', async () => {
    assert.equal(await syncFileSystem(tmpdir()), true);
    assert.equal(await syncFileSystem('/nowhere'), false);
  });
});
