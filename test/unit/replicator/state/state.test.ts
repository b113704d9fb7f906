import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import ssh2 from 'ssh2';
import { newKey } from '../../../../replicator/state/new-key.ts';
import { loadPeerKey } from '../../../../replicator/state/peer-key.ts';
import { PositionStore } from '../../../../replicator/state/position-store.ts';

describe('what a replicator must not forget', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'holdfast-state-'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  it('G1: an epoch that was entered is the least one after a restart', () => {
    new PositionStore(root).enterEpoch(9);
    const store = new PositionStore(root);
    assert.equal(store.highestEpoch, 9);
    assert.throws(() => store.enterEpoch(8), { code: 'EPOCH_STALE' });
    store.enterEpoch(9);
    store.enterEpoch(10);
  });

  it('G1: an epoch whose writing failed is not entered before it is on disk, however often it is asked for', () => {
    const inTheWay = join(root, '.position.json.new');
    mkdirSync(inTheWay);
    const store = new PositionStore(root);
    for (let times = 0; times < 2; times++) assert.throws(() => store.enterEpoch(9), { code: 'EISDIR' });
    assert.throws(() => store.enterEpoch(8), { code: 'EPOCH_STALE' });
    rmdirSync(inTheWay);
    store.enterEpoch(9);
    assert.equal(new PositionStore(root).highestEpoch, 9);
  });

  it('the position comes back as last saved', () => {
    const store = new PositionStore(root);
    store.advance({ epoch: 2, sequence: 5 });
    assert.deepEqual(new PositionStore(root).position, { epoch: 0, sequence: 0 });
    store.save();
    assert.deepEqual(new PositionStore(root).position, { epoch: 2, sequence: 5 });
  });

  it('a damaged file is an error, not a fresh start', () => {
    writeFileSync(join(root, 'position.json'), '{"highestEpoch":');
    assert.throws(() => new PositionStore(root), { code: 'ROOT_UNUSABLE' });
  });

  it('every new key can be read back, also those that the library writes wrongly', (t) => {
    const generate = t.mock.method(ssh2.utils, 'generateKeyPairSync');
    generate.mock.mockImplementationOnce(() => ({ private: 'malformed', public: 'malformed' }), 0);
    const { privateKey } = newKey('ed25519');
    assert.ok(!(ssh2.utils.parseKey(privateKey) instanceof Error));
    // One key in some hundred is malformed by itself.
    assert.ok(generate.mock.callCount() >= 2);
  });

  it('the peer key is made once, for its owner alone', () => {
    const made = loadPeerKey(root, 'one');
    assert.match(made.publicKey, /^ssh-ed25519 \S+ holdfast-peer one$/);
    assert.deepEqual(loadPeerKey(root, 'one'), made);
    assert.equal(statSync(join(root, 'peer_key')).mode & 0o777, 0o600);
    writeFileSync(join(root, 'peer_key'), 'garbage');
    assert.throws(() => loadPeerKey(root, 'one'), { code: 'HOST_KEY_INVALID' });
  });
});
