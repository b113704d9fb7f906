import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Cluster } from './support/cluster.ts';
import type { Host } from './support/host.ts';

const many = 150;

function putFiles(host: Host, count: number): void {
  mkdirSync(join(host.settings.filesRoot, 'alice'), { recursive: true });
  for (let number = 0; number < count; number++) {
    writeFileSync(join(host.settings.filesRoot, 'alice', `file-${number}`), `${number}`);
  }
}

const filesOf = (host: Host) => readdirSync(join(host.settings.filesRoot, 'alice')).length;
const quarantined = (host: Host) =>
  readdirSync(host.settings.quarantineRoot).filter((name) => !name.startsWith('.'));

describe('a comparison that would take much away', () => {
  it('waits for an operator before it takes more than a few, and is not in sync meanwhile', async () => {
    await using cluster = await Cluster.start(['one', 'two'], {}, (host) => {
      putFiles(host, host.nodeId === 'one' ? 1 : many);
      mkdirSync(join(host.settings.filesRoot, 'bob'));
      if (host.nodeId === 'two') writeFileSync(join(host.settings.filesRoot, 'bob/only-here'), 'x');
    });
    const two = cluster.host('two');
    await cluster.lead('one');
    const held = await two.until('the comparison to wait', () => two.status?.heldRemoval);
    assert.deepEqual(held, { files: 101, of: many + 1, leader: 'one' });
    await two.until('the alarm', () => /"code":"RESYNC_REMOVES_MUCH"/.test(two.log));
    assert.ok(filesOf(two) >= many - 100);
    assert.deepEqual(cluster.inSync, ['one']);

    two.send({ type: 'accept-removal', files: held.files });
    await cluster.untilInSync('two');
    assert.equal(filesOf(two), 1);
    assert.equal(quarantined(two).length, 1);
    await two.until('the end of the alarm', () => two.status?.heldRemoval === null);
  });

  it('takes away what is a small share, and what is few', async () => {
    await using cluster = await Cluster.start(['one', 'two'], { maxRemovalShare: 0.5 }, (host) =>
      putFiles(host, host.nodeId === 'one' ? 200 : 350),
    );
    await cluster.lead('one');
    await cluster.untilInSync('two');
    assert.equal(filesOf(cluster.host('two')), 200);
  });
});

describe('a leader without users and host keys', () => {
  it('takes none from the others, which are in sync all the same', async () => {
    await using cluster = await Cluster.start(['one', 'two']);
    const { configRoot } = cluster.host('two').settings;
    mkdirSync(join(configRoot, 'host_keys'));
    writeFileSync(join(configRoot, 'users.yaml'), 'users: []\n');
    writeFileSync(join(configRoot, 'host_keys/ssh_host_rsa_key'), 'only here', { mode: 0o600 });
    writeFileSync(join(configRoot, 'old.yaml'), 'removed there');
    await cluster.lead('one');
    await cluster.untilInSync('two');
    assert.equal(readFileSync(join(configRoot, 'users.yaml'), 'utf8'), 'users: []\n');
    assert.equal(readFileSync(join(configRoot, 'host_keys/ssh_host_rsa_key'), 'utf8'), 'only here');
    assert.ok(existsSync(join(configRoot, 'host_keys/ssh_host_ed25519_key')), 'the leader’s');
    assert.ok(!existsSync(join(configRoot, 'old.yaml')));
    assert.match(cluster.host('two').log, /"code":"CONFIG_KEPT"/);
    const undone = cluster.host('two').status?.configProblems.map(({ path }) => path);
    assert.ok(!undone?.includes('users.yaml'), 'it is not said to be undone');
  });
});

describe('a newcomer', () => {
  it('is compared by content, gets its identity, and only then counts as in sync', async () => {
    await using cluster = await Cluster.start(['one', 'two']);
    const [one, two] = [cluster.host('one'), cluster.host('two')];
    for (const host of [one, two]) putFiles(host, 3);
    writeFileSync(join(two.settings.filesRoot, 'alice/file-0'), 'X');
    for (const host of [one, two]) utimesSync(join(host.settings.filesRoot, 'alice/file-0'), 1, 1);
    await cluster.lead('one', []);
    two.send({ type: 'follow', epoch: cluster.epoch, leader: 'one', root: null });
    await two.until('the live stream', () => two.status?.caughtUp);
    assert.equal(readFileSync(join(two.settings.filesRoot, 'alice/file-0'), 'utf8'), '0');
    // Longer than it takes a host to join whose roots have their identity.
    await delay(1500);
    assert.deepEqual(cluster.inSync, ['one']);
    const before = two.rootId;
    await two.admitAnew();
    assert.notEqual(two.rootId, before);
    await cluster.untilInSync('two');
  });

  it('that left the in-sync set by itself is taken in again by a leader that counted on it', async () => {
    await using cluster = await Cluster.start(['one', 'two']);
    const [one, two] = [cluster.host('one'), cluster.host('two')];
    const node = await cluster.lead('one');
    await cluster.untilInSync('two');
    node.mkdir('alice');
    await node.settled();
    await two.kill();
    for (const root of [two.settings.filesRoot, join(two.root, '.holdfast-root.json')]) {
      rmSync(root, { recursive: true });
    }
    cluster.inSync = ['one'];
    one.send({ type: 'lead', epoch: cluster.epoch, inSync: ['one'], root: one.rootId });
    await cluster.restart('two');
    two.send({ type: 'follow', epoch: cluster.epoch, leader: 'one', root: null });
    await two.until('the live stream', () => two.status?.caughtUp);
    await two.admitAnew();
    await cluster.untilInSync('two');
    node.put('alice/later', 'x');
    await node.settled();
    assert.deepEqual(readdirSync(join(two.settings.filesRoot, 'alice')), ['later']);
  });

  it('does not lead with roots that the supervisor has not judged', async () => {
    await using cluster = await Cluster.start(['one']);
    const one = cluster.host('one');
    one.send({ type: 'lead', epoch: 1, inSync: ['one'], root: 'another set of roots' });
    await one.until('the refusal', () => /ROOT_FOREIGN/.test(one.log));
    assert.equal(one.status?.role, 'idle');
  });
});
