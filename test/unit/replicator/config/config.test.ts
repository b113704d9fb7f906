import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { appliedDigest, applyConfig, keptOf } from '../../../../replicator/config/apply.ts';
import { ensureHostKeys, hostKeyFingerprints } from '../../../../replicator/config/host-keys.ts';
import { digestOf, readConfig } from '../../../../replicator/config/snapshot.ts';

describe('the config root', () => {
  let base: string;
  let one: string;
  let two: string;
  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'holdfast-config-'));
    [one, two] = [join(base, 'one'), join(base, 'two')];
    for (const root of [one, two]) mkdirSync(join(root, 'host_keys'), { recursive: true });
    writeFileSync(join(one, 'users.yaml'), 'users: []');
    writeFileSync(join(one, 'host_keys/key'), 'private');
    chmodSync(join(one, 'host_keys/key'), 0o644);
  });
  afterEach(() => rmSync(base, { recursive: true }));

  it('G4: has a digest of names, modes and contents, and of nothing else', () => {
    const { digest } = readConfig(one);
    symlinkSync('/etc/passwd', join(one, 'link'));
    writeFileSync(join(one, '.users.yaml.swp'), 'an editor at work');
    assert.equal(readConfig(one).digest, digest);
    chmodSync(join(one, 'users.yaml'), 0o600);
    assert.notEqual(readConfig(one).digest, digest);
  });

  it('becomes equal, extra files go, host keys that go are kept, secrets are 0600', () => {
    writeFileSync(join(two, 'extra'), 'x');
    writeFileSync(join(two, 'host_keys/key'), 'its own');
    const snapshot = readConfig(one);
    assert.deepEqual(applyConfig(two, snapshot, join(base, 'kept')), ['host_keys/key']);
    assert.equal(readConfig(two).digest, snapshot.digest);
    assert.equal(statSync(join(two, 'host_keys/key')).mode & 0o777, 0o600);
    assert.equal(readFileSync(join(base, 'kept/key'), 'utf8'), 'its own');
    assert.ok(!existsSync(join(two, 'extra')));
    assert.deepEqual(applyConfig(two, snapshot, join(base, 'kept')), []);
  });

  it('loses no users and no host keys that the leader lacks', () => {
    rmSync(join(one, 'users.yaml'));
    writeFileSync(join(two, 'users.yaml'), 'users: [the only ones]');
    writeFileSync(join(two, 'host_keys/other'), 'its own');
    const snapshot = readConfig(one);
    assert.deepEqual(applyConfig(two, snapshot, join(base, 'kept')), []);
    assert.equal(readFileSync(join(two, 'users.yaml'), 'utf8'), 'users: [the only ones]');
    assert.equal(readFileSync(join(two, 'host_keys/other'), 'utf8'), 'its own');
    const here = readConfig(two);
    assert.deepEqual(keptOf(here, snapshot), ['host_keys/other', 'users.yaml']);
    assert.equal(appliedDigest(here, snapshot), snapshot.digest, 'equal in all that the leader has');
    chmodSync(join(two, 'host_keys/key'), 0o644);
    writeFileSync(join(two, 'host_keys/key'), 'changed');
    assert.notEqual(appliedDigest(readConfig(two), snapshot), snapshot.digest);
  });

  it('is not changed by what a crash left half written', () => {
    const snapshot = readConfig(one);
    for (const root of [one, two]) writeFileSync(join(root, 'host_keys/.key.new'), 'half');
    assert.equal(readConfig(one).digest, snapshot.digest);
    applyConfig(two, snapshot, join(base, 'kept'));
    assert.equal(readConfig(two).digest, snapshot.digest);
  });

  it('takes no name that leaves the root, no opened secret, and nothing that does not fit its digest', () => {
    const refused = (path: string, mode = 0o600, digest?: string) => {
      const files = [{ path, mode, content: '' }];
      assert.throws(
        () => applyConfig(two, { digest: digest ?? digestOf(files), files }, join(base, 'kept')),
        { code: 'PEER_PROTOCOL' },
        path,
      );
    };
    for (const path of ['../x', '/x', 'a/../../x', 'a//b', '', '.hidden', 'a\0b']) refused(path);
    refused('host_keys/key', 0o644);
    refused('users.yaml', 0o600, 'another digest');
  });

  it('is bounded', () => {
    writeFileSync(join(one, 'a'), Buffer.alloc(5 * 1024 * 1024));
    writeFileSync(join(one, 'b'), Buffer.alloc(5 * 1024 * 1024));
    assert.throws(() => readConfig(one), { code: 'CONFIG_TOO_LARGE' });
  });

  it('gets host keys only when it has none at all', () => {
    assert.equal(ensureHostKeys(one, readConfig(one)), false);
    assert.equal(ensureHostKeys(two, readConfig(two)), true);
    const fingerprints = hostKeyFingerprints(readConfig(two));
    assert.equal(fingerprints.length, 2);
    for (const fingerprint of fingerprints) assert.match(fingerprint, /^SHA256:[A-Za-z0-9+/]{43}$/);
    assert.equal(ensureHostKeys(two, readConfig(two)), false);
    assert.deepEqual(hostKeyFingerprints(readConfig(two)), fingerprints);
  });
});
