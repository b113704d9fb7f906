import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { CuttableDisk } from '../../lab/cuttable-disk.ts';
import type { LabHost } from '../../lab/host.ts';
import { Lab } from '../../lab/lab.ts';

const skip = existsSync('/dev/loop-control') ? false : 'there are no loop devices here';

/** Writes files with and without fsync, says that it is done, and goes on writing until it is ended. */
const writer = `
const { fsyncSync, openSync, renameSync, writeSync } = require('node:fs');
const write = (name, text) => { const fd = openSync(name, 'w'); writeSync(fd, text); return fd; };
process.chdir(process.argv[1]);
fsyncSync(write('synced', 'content'));
fsyncSync(write('renamed-from', 'content'));
fsyncSync(openSync('.', 'r'));
write('unsynced', 'content');
renameSync('renamed-from', 'renamed-to');
const patched = openSync('synced', 'r+');
writeSync(patched, 'CONTENT');
process.stdout.write('ready\\n');
const load = write('load', '');
for (;;) writeSync(load, 'x'.repeat(100_000), 0);
`;

describe('a power cut of the lab', { timeout: 60_000, skip }, () => {
  let lab: Lab;
  let host: LabHost;
  let disk: CuttableDisk;
  before(async () => {
    lab = await Lab.create({ hosts: ['a'] });
    host = lab.host('a');
    disk = await lab.giveCuttableDisk(host);
  });
  after(() => lab.dispose());

  it('loses what was not flushed, and nothing else', async () => {
    const folder = join(host.folder, 'data');
    host.spawn('writer.log', process.execPath, ['-e', writer, folder]);
    await lab.wait('the writer', async () => host.log('writer.log').includes('ready'));
    assert.equal(readFileSync(join(folder, 'unsynced'), 'utf8'), 'content', 'it was there before');
    await disk.cutPower();
    const left = (name: string) =>
      existsSync(join(folder, name)) ? readFileSync(join(folder, name), 'utf8') : null;
    assert.equal(
      left('synced'),
      'content',
      'flushed data is there, and what was written over it later is not',
    );
    assert.ok(['', null].includes(left('unsynced')), `unflushed data is lost: ${left('unsynced')}`);
    assert.equal(
      left('renamed-from'),
      'content',
      'a name changed in a folder that was not flushed is as before',
    );
    assert.equal(left('renamed-to'), null);
    assert.ok(existsSync(join(host.configRoot, 'users.yaml')));
  });

  it('leaves a disk that can be filled and freed', async () => {
    await host.network.linkUp();
    await disk.fill();
    const full = await host.run('dd', ['if=/dev/zero', `of=${host.folder}/data/more`, 'bs=64k', 'count=1']);
    assert.match(String(full.all), /No space left/);
    disk.free();
    await host.exec('dd', ['if=/dev/zero', `of=${host.folder}/data/more`, 'bs=64k', 'count=1']);
  });

  it('is over when the lab is: nothing stays mounted', async () => {
    await lab.dispose();
    assert.ok(!readFileSync('/proc/mounts', 'utf8').includes(lab.folder));
  });
});
