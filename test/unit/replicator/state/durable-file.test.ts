/** Files that must outlive a power cut: staged, synced, renamed, and the folder synced, in this order. */
import '../../fsyncs.ts';
import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { applyConfig } from '../../../../replicator/config/apply.ts';
import { ensureHostKeys } from '../../../../replicator/config/host-keys.ts';
import { digestOf, readConfig } from '../../../../replicator/config/snapshot.ts';
import { makeFolderDurably, writeDurably } from '../../../../replicator/state/durable-file.ts';
import { loadPeerKey } from '../../../../replicator/state/peer-key.ts';
import { PositionStore } from '../../../../replicator/state/position-store.ts';
import { fsyncs } from '../../fsyncs.ts';

describe('durable files', () => {
  let root: string;
  const at = (name: string) => join(root, name);
  const synced = () => fsyncs.done.map((path) => path.replace(root, '').replace(/^\//, ''));
  beforeEach(() => {
    root = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-durable-')));
    fsyncs.reset();
  });
  afterEach(() => {
    fsyncs.reset();
    rmSync(root, { recursive: true });
  });

  it('appear when they are on disk, and the folder is synced after they have', () => {
    writeFileSync(at('file'), 'old');
    const seen: string[] = [];
    fsyncs.onSync = () => seen.push(readFileSync(at('file'), 'utf8'));
    writeDurably(at('file'), 'new', 0o600);
    assert.deepEqual(synced(), ['.file.new', '']);
    assert.deepEqual(seen, ['old', 'new'], 'what was there when each was synced');
  });

  it('keep what was there when the disk fails', () => {
    writeFileSync(at('file'), 'old');
    fsyncs.failure = { folder: '/', code: 'EIO' };
    assert.throws(() => writeDurably(at('file'), 'new', 0o600), { code: 'EIO' });
    assert.equal(readFileSync(at('file'), 'utf8'), 'old');
  });

  it('have folders whose names are on disk', () => {
    makeFolderDurably(at('a/b/c'), 0o700);
    assert.deepEqual(synced(), ['a/b', 'a', '']);
    makeFolderDurably(at('a/b/c'), 0o700);
    assert.equal(fsyncs.done.length, 3, 'those that were there are left alone');
  });

  it('hold the highest epoch before anything of it is done', () => {
    const positions = new PositionStore(root);
    positions.enterEpoch(7);
    assert.deepEqual(synced(), ['.position.json.new', '']);
    assert.equal(new PositionStore(root).highestEpoch, 7);
    positions.advance({ epoch: 7, sequence: 9 });
    assert.equal(fsyncs.done.length, 2, 'the position is for people, and saved now and then');
    positions.save();
    assert.equal(fsyncs.done.length, 4);
    fsyncs.failure = { folder: '/', code: 'EIO' };
    assert.throws(() => positions.enterEpoch(8), { code: 'EIO' });
  });

  it('hold the key by which peers know this host', () => {
    loadPeerKey(root, 'a');
    assert.deepEqual(synced(), ['.peer_key.new', '']);
  });

  it('hold the first host keys, and their folder', () => {
    ensureHostKeys(root, readConfig(root));
    assert.equal(synced()[0], '', 'the name of the folder');
    for (const name of ['ssh_host_ed25519_key', 'ssh_host_ecdsa_key']) {
      assert.ok(synced().includes(`host_keys/.${name}.new`));
      assert.ok(synced().includes(`host_keys/.${name}.pub.new`));
    }
    assert.equal(synced().at(-1), 'host_keys');
  });

  it('hold the configuration that came from the leader', () => {
    const file = (path: string, text: string, mode = 0o600) => ({
      path,
      mode,
      content: Buffer.from(text).toString('base64'),
    });
    const snapshotOf = (...files: ReturnType<typeof file>[]) => ({ digest: digestOf(files), files });
    const configRoot = at('config');
    const keepIn = at('kept/7');
    applyConfig(configRoot, snapshotOf(file('host_keys/key', 'one'), file('policy.yaml', 'x: y\n')), keepIn);
    assert.deepEqual(synced(), [
      '',
      'config',
      'config/host_keys/.key.new',
      'config/host_keys',
      'config/.policy.yaml.new',
      'config',
    ]);
    fsyncs.reset();
    applyConfig(configRoot, snapshotOf(file('host_keys/key', 'two')), keepIn);
    assert.deepEqual(synced(), [
      // The key that is replaced is kept first, for good.
      'kept',
      '',
      'kept/7/.key.new',
      'kept/7',
      'config/host_keys/.key.new',
      'config/host_keys',
      // policy.yaml is gone.
      'config',
    ]);
    assert.equal(readFileSync(at('kept/7/key'), 'utf8'), 'one');
    fsyncs.reset();
    mkdirSync(join(configRoot, 'users.yaml'));
    applyConfig(configRoot, snapshotOf(file('users.yaml', 'x')), keepIn);
    assert.ok(existsSync(at('kept/7/users.yaml')));
    assert.ok(synced().filter((path) => path === 'kept/7').length >= 1, 'the folder that was in the way');
  });
});
