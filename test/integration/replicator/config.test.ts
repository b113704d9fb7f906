import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { waitFor } from '../../lab/wait.ts';
import { Cluster } from './support/cluster.ts';
import { describeTree } from './support/trees.ts';

function configOf(cluster: Cluster, nodeId: string): string[] {
  const tree = describeTree(cluster.host(nodeId).settings.configRoot);
  // The record is each host's own, and so are the times.
  return tree
    .filter((line) => !line.startsWith('.holdfast-root.json '))
    .map((line) => line.replace(/ \d{16} (?=[0-9a-f]{64}$)/, ' '));
}

describe('configuration', () => {
  it('G4: host keys made once, users and keys equal on all hosts at once and at each change', async () => {
    await using cluster = await Cluster.start(['one', 'two']);
    const [one, two] = [cluster.host('one'), cluster.host('two')];
    writeFileSync(join(one.settings.configRoot, 'users.yaml'), 'users: []\n');
    chmodSync(join(one.settings.configRoot, 'users.yaml'), 0o640);
    mkdirSync(join(two.settings.configRoot, 'host_keys'), 0o700);
    writeFileSync(join(two.settings.configRoot, 'host_keys/ssh_host_ed25519_key'), 'its own');
    writeFileSync(join(two.settings.configRoot, 'extra.yaml'), 'only here');
    await cluster.lead('one');
    await cluster.untilInSync('two');
    assert.deepEqual(configOf(cluster, 'two'), configOf(cluster, 'one'));
    const key = join(two.settings.configRoot, 'host_keys/ssh_host_ed25519_key');
    assert.equal(statSync(key).mode & 0o777, 0o600);
    const [, printed] = execFileSync('ssh-keygen', ['-l', '-f', key], { encoding: 'utf8' }).split(' ');
    // The report follows the change by up to a tenth of a second.
    await waitFor('the fingerprint in the report', () =>
      two.status?.hostKeyFingerprints.includes(printed ?? ''),
    );
    const kept =
      readdirSync(two.settings.quarantineRoot).find((name) => /host-keys-[0-9a-f]+$/.test(name)) ?? '';
    const keptKey = join(two.settings.quarantineRoot, kept, 'ssh_host_ed25519_key');
    assert.equal(readFileSync(keptKey, 'utf8'), 'its own');

    const before = two.status?.configDigest;
    writeFileSync(join(one.settings.configRoot, 'users.yaml'), 'users: []\n# changed\n');
    await two.until('the change', () => two.status?.configDigest !== before);
    assert.deepEqual(configOf(cluster, 'two'), configOf(cluster, 'one'));

    writeFileSync(join(two.settings.configRoot, 'users.yaml'), 'edited on the wrong host');
    const users = () => readFileSync(join(two.settings.configRoot, 'users.yaml'), 'utf8');
    await two.until('its end', () => users().includes('# changed'));
  });

  it('a config root that is too large leaves what was replicated in force', async () => {
    await using cluster = await Cluster.start(['one', 'two']);
    const one = cluster.host('one');
    await cluster.lead('one');
    await cluster.untilInSync('two');
    const before = one.status?.configDigest;
    const [staged, dump] = ['.dump', 'dump.sql'].map((name) => join(one.settings.configRoot, name));
    writeFileSync(String(staged), Buffer.alloc(9 * 1024 * 1024));
    renameSync(String(staged), String(dump));
    await one.until('the complaint', () => /CONFIG_TOO_LARGE/.test(one.log));
    assert.equal(one.status?.configDigest, before);
  });
});

describe('shared mode', () => {
  it('replicates the configuration alone', async () => {
    await using cluster = await Cluster.start(['one', 'two'], { mode: 'shared' });
    const node = await cluster.lead('one', []);
    node.put('large', Buffer.alloc(3_000_000));
    await node.settled();
    cluster.follow('two', 'one');
    await cluster.untilInSync('two');
    node.put('file', 'on shared storage');
    await node.settled();
    assert.deepEqual(configOf(cluster, 'two'), configOf(cluster, 'one'));
    assert.ok(!existsSync(join(cluster.host('two').settings.filesRoot, 'file')));
  });
});

describe('async mode', () => {
  it('acknowledges at once, and the follower gets everything', async () => {
    await using cluster = await Cluster.start(['one', 'two'], { mode: 'async' });
    const node = await cluster.lead('one');
    await cluster.untilInSync('two');
    cluster.host('two').signal('SIGSTOP');
    node.put('file', 'acknowledged alone');
    await node.settled();
    assert.deepEqual(cluster.inSync, ['one', 'two'], 'nobody had to leave for it');
    cluster.host('two').signal('SIGCONT');
    const copy = join(cluster.host('two').settings.filesRoot, 'file');
    await cluster.host('two').until('the file', () => existsSync(copy) && readFileSync(copy).length > 0);
  });
});
