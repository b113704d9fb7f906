import assert from 'node:assert/strict';
import {
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { mountOf, ProcessMark } from '../../../../replicator/log/process-mark.ts';

const mountinfo = (id: number) => `\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
${id} 27 7:0 / /srv/two\\040words rw,relatime shared:2 master:3 - xfs /dev/loop0 rw
41 40 7:1 /sub /srv/two\\040words/deeper rw - ext4 /dev/loop1 rw
42 40 7:2 / /srv/two\\040words/deeper rw - ext4 /dev/loop2 rw
`;

describe('the mount of a folder', () => {
  it('is the deepest above it, and of several at one point the last', () => {
    const idOf = (folder: string) => mountOf(mountinfo(40), folder)?.id;
    assert.equal(idOf('/srv'), '27');
    assert.equal(idOf('/srv/two words'), '40');
    assert.equal(idOf('/srv/two words/x'), '40');
    assert.equal(idOf('/srv/two words more'), '27');
    assert.equal(idOf('/srv/two words/deeper/x'), '42');
    assert.deepEqual(mountOf(mountinfo(40), '/srv/two words'), {
      id: '40',
      device: '7:0',
      point: '/srv/two words',
      type: 'xfs',
      source: '/dev/loop0',
    });
    assert.equal(mountOf('', '/srv'), null);
  });
});

describe('the process mark', () => {
  let root: string;
  let run: string;

  /** A start on a system that shows this. */
  function start({ boot = 'boot-1', mounts = mountinfo(40), session = 'one' } = {}): ProcessMark {
    writeFileSync(join(root, 'proc/sys/kernel/random/boot_id'), `${boot}\n`);
    writeFileSync(join(root, 'proc/self/mountinfo'), mounts);
    rmSync(join(root, 'sys/fs/ext4'), { recursive: true, force: true });
    if (session !== 'none') {
      mkdirSync(join(root, 'sys/fs/ext4'), { recursive: true });
      // The kernel makes another folder for another mount.
      symlinkSync(join(root, `sessions/${session}`), join(root, 'sys/fs/ext4/vda'));
    }
    const places = { files: join(root, 'files'), log: join(root, 'log') };
    return new ProcessMark(run, places, { proc: join(root, 'proc'), sys: join(root, 'sys') });
  }

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'holdfast-mark-'));
    run = join(root, 'run');
    for (const folder of [
      'run',
      'files',
      'log',
      'sessions/one',
      'sessions/two',
      'sys/dev/block',
      'proc/self',
    ]) {
      mkdirSync(join(root, folder), { recursive: true });
    }
    mkdirSync(join(root, 'proc/sys/kernel/random'), { recursive: true });
    symlinkSync('../../devices/vda', join(root, 'sys/dev/block/254:0'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  it('tells that only the process died when it was left, and all is the same', () => {
    assert.equal(start().onlyProcessDied(), false);
    start().leave();
    assert.equal(start().onlyProcessDied(), true);
    assert.equal(start().onlyProcessDied(), true, 'asking changes nothing');
    start().remove();
    assert.equal(start().onlyProcessDied(), false);
  });

  it('does not outlive a boot, a mount or a folder', () => {
    start().leave();
    assert.equal(start({ boot: 'boot-2' }).onlyProcessDied(), false);
    assert.equal(start({ session: 'two' }).onlyProcessDied(), false);
    assert.equal(start({ session: 'none' }).onlyProcessDied(), false);
    assert.equal(start({ mounts: '' }).onlyProcessDied(), false);
    assert.equal(start({ mounts: mountinfo(40).replace('/dev/vda', '/dev/vdb') }).onlyProcessDied(), false);
    assert.equal(start().onlyProcessDied(), true);
    for (const folder of ['files', 'log']) {
      renameSync(join(root, folder), join(root, `${folder}-before`));
      mkdirSync(join(root, folder));
      assert.equal(start().onlyProcessDied(), false, folder);
      rmSync(join(root, folder), { recursive: true });
      renameSync(join(root, `${folder}-before`), join(root, folder));
      assert.equal(start().onlyProcessDied(), true);
    }
  });

  it('goes by the number of the mount where the file system has no folder in /sys', () => {
    const mounts = (id: number) => mountinfo(40).replace('27 1 ', `${id} 1 `);
    start({ session: 'none', mounts: mounts(27) }).leave();
    assert.equal(start({ session: 'none', mounts: mounts(27) }).onlyProcessDied(), true);
    assert.equal(start({ session: 'none', mounts: mounts(28) }).onlyProcessDied(), false);
  });

  it('survives another mount namespace, where all mounts have other numbers', () => {
    start().leave();
    assert.equal(start({ mounts: mountinfo(40).replace('27 1 ', '99 1 ') }).onlyProcessDied(), true);
  });

  it('that is torn is none', () => {
    start().leave();
    truncateSync(join(run, 'process-mark.json'), 50);
    assert.equal(start().onlyProcessDied(), false);
  });

  it('is not left where the system does not tell enough', () => {
    start({ mounts: '' }).leave();
    assert.equal(start({ mounts: '' }).onlyProcessDied(), false);
  });

  it('after a failed flush is void until the next boot, or until all was begun anew', () => {
    start().leave();
    start().distrustPageCache();
    assert.equal(start().pageCacheLies(), true);
    start().leave();
    assert.equal(start().onlyProcessDied(), false);
    assert.equal(start({ boot: 'boot-2' }).pageCacheLies(), false);
    start().trustPageCache();
    assert.equal(start().pageCacheLies(), false);
    assert.equal(start().onlyProcessDied(), true);
  });

  it('works on this system', () => {
    const here = () => new ProcessMark(run, { files: join(root, 'files'), log: join(root, 'log') });
    assert.equal(here().onlyProcessDied(), false);
    here().leave();
    assert.equal(here().onlyProcessDied(), true);
  });
});
