import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { newKey } from '../../../replicator/state/new-key.ts';
import { Cluster } from './support/cluster.ts';
import { CuttableProxy } from './support/cuttable-proxy.ts';
import { Door } from './support/door.ts';
import { describeTree } from './support/trees.ts';

function treesOf(cluster: Cluster, ...nodeIds: string[]): string[][] {
  return nodeIds.map((nodeId) => describeTree(cluster.host(nodeId).settings.filesRoot));
}

describe('leadership', () => {
  it('changes hands with higher epochs, and the old leader rejoins what it lacks', async () => {
    // A timeout that nobody lives to see: the dead one is dropped because its supervisor is gone.
    await using cluster = await Cluster.start(['one', 'two', 'three'], { syncTimeoutMs: 600_000 });
    const first = await cluster.lead('one');
    await cluster.untilInSync('two', 'three');
    first.put('first', 'of epoch 1');
    await first.settled();
    await cluster.host('one').kill();
    cluster.dead.add('one');
    cluster.announce();

    const second = await cluster.lead('two');
    second.put('second', 'of epoch 2');
    await second.settled();
    assert.ok(
      !cluster.inSync.includes('one'),
      'the dead member was dropped before anything was acknowledged',
    );
    assert.deepEqual(...(treesOf(cluster, 'three', 'two') as [string[], string[]]));

    cluster.dead.delete('one');
    await cluster.restart('one');
    cluster.follow('one', 'two');
    await cluster.untilInSync('one');
    assert.deepEqual(...(treesOf(cluster, 'one', 'two') as [string[], string[]]));
  });

  it('G1: refuses an epoch that is over, also after a restart', async () => {
    await using cluster = await Cluster.start(['one', 'two']);
    cluster.epoch = 7;
    await cluster.lead('one');
    await cluster.untilInSync('two');
    const two = await cluster.restart('two');
    two.send({ type: 'lead', epoch: 7, inSync: ['two'], root: two.rootId });
    await two.until('the stale lead', () => /epoch 7 is over/.test(two.log));
    assert.equal(two.status?.role, 'idle');
    assert.equal(two.status?.highestEpoch, 8);
    await assert.rejects(Door.connect(cluster.host('one').settings, 7), /not connected/);
  });

  it('a follower that has seen a newer epoch does not follow an old leader', async () => {
    await using cluster = await Cluster.start(['one', 'two']);
    await cluster.lead('one', []);
    const [one, two] = [cluster.host('one'), cluster.host('two')];
    two.send({ type: 'follow', epoch: 5, leader: 'one', root: two.rootId });
    await one.until('the refusal', () => /EPOCH_STALE/.test(one.log));
    assert.deepEqual(one.status?.peers, []);
    await one.until('its supervisor to be told', () => one.status?.toldEpoch === 5);
  });

  it('hands off once the target has everything, and takes nothing more before it is permitted again', async () => {
    await using cluster = await Cluster.start(['one', 'two']);
    const node = await cluster.lead('one');
    await cluster.untilInSync('two');
    const one = cluster.host('one');
    const handle = node.create('half');
    node.write(handle, 0, Buffer.alloc(500_000, 'h'));
    await node.settled();
    one.send({ type: 'hand-off', target: 'two' });
    const answer = await one.until('handoff', () => one.received.find(({ type }) => type === 'handoff'));
    assert.deepEqual(answer, { type: 'handoff', target: 'two', complete: true, reason: '' });
    assert.equal(readFileSync(join(cluster.host('two').settings.filesRoot, 'half')).length, 500_000);
    node.mkdir('late');
    await assert.rejects(node.settled(), { code: 'EAGAIN' });
    node.failures.length = 0;
    await one.permit(cluster.epoch);
    node.closeFile(handle);
    await node.settled();
  });

  it('does not hand off to a target that has not got everything', async () => {
    await using cluster = await Cluster.start(['one', 'two'], { syncTimeoutMs: 500 });
    const node = await cluster.lead('one');
    await cluster.untilInSync('two');
    const one = cluster.host('one');
    const handle = node.create('half');
    node.write(handle, 0, Buffer.alloc(1000, 'h'));
    await node.settled();
    cluster.host('two').signal('SIGSTOP');
    node.write(handle, 0, Buffer.alloc(500_000, 'h'));
    await node.settled();
    one.send({ type: 'hand-off', target: 'two' });
    const answer = await one.until('handoff', () => one.received.find(({ type }) => type === 'handoff'));
    assert.ok(answer.type === 'handoff' && !answer.complete && answer.reason !== '');
    cluster.host('two').signal('SIGCONT');
    await one.permit(cluster.epoch);
    node.closeFile(handle);
    await node.settled();
  });

  it('says why a hand-off is not complete', async () => {
    await using cluster = await Cluster.start(['one', 'two']);
    await cluster.lead('one', []);
    const one = cluster.host('one');
    one.send({ type: 'hand-off', target: 'two' });
    const answer = await one.until('handoff', () => one.received.find(({ type }) => type === 'handoff'));
    assert.deepEqual(answer, {
      type: 'handoff',
      target: 'two',
      complete: false,
      reason: 'two is not connected',
    });
  });
});

describe('the in-sync set', () => {
  it('G3: drops a follower that stands still before it acknowledges without it', async () => {
    await using cluster = await Cluster.start(['one', 'two'], { syncTimeoutMs: 600 });
    const node = await cluster.lead('one');
    await cluster.untilInSync('two');
    const two = cluster.host('two');
    two.signal('SIGSTOP');
    node.put('while-frozen', 'x'.repeat(100_000));
    await node.settled();
    assert.deepEqual(cluster.inSync, ['one']);
    two.signal('SIGCONT');
    await cluster.untilInSync('two');
    node.put('after', 'y');
    await node.settled();
    assert.deepEqual(...(treesOf(cluster, 'two', 'one') as [string[], string[]]));
  });

  it('removes nobody whose acknowledgement lay unread while the leader stood still', async () => {
    await using cluster = await Cluster.start(['one', 'two'], { syncTimeoutMs: 2000 });
    const node = await cluster.lead('one');
    await cluster.untilInSync('two');
    const [one, two] = [cluster.host('one'), cluster.host('two')];
    one.forget();
    two.signal('SIGSTOP');
    node.put('in-between', 'x');
    await delay(100);
    one.signal('SIGSTOP');
    two.signal('SIGCONT');
    await delay(2500);
    one.signal('SIGCONT');
    await node.settled();
    const changes = one.received.filter(({ type }) => type === 'membership');
    assert.deepEqual(changes, []);
    assert.ok(cluster.inSync.includes('two'));
    const late = await one.until('its lateness', () => one.received.find(({ type }) => type === 'late'));
    assert.ok(late.type === 'late' && late.byMs > 2000);
  });

  it('does not wait for a supervisor that does not answer: nothing is acknowledged until it does', async () => {
    await using cluster = await Cluster.start(['one', 'two'], { syncTimeoutMs: 300 });
    const node = await cluster.lead('one');
    await cluster.untilInSync('two');
    const one = cluster.host('one');
    const answer = one.onMembership;
    const asked: Parameters<typeof answer>[0][] = [];
    one.onMembership = (request) => asked.push(request);
    await cluster.host('two').kill();
    node.put('waits', 'x');
    await one.until('the request', () => asked.length > 0);
    assert.ok(node.answered < node.asked);
    assert.equal(asked[0]?.change, 'remove');
    for (const request of asked.splice(0)) answer(request);
    await node.settled();
  });

  it('strict: refuses instead of acknowledging alone, and takes it back when a standby is in sync', async () => {
    await using cluster = await Cluster.start(['one', 'two'], { syncTimeoutMs: 500, strict: true });
    const node = await cluster.lead('one', []);
    await node.until(() => /strict/.test(node.refusal));
    cluster.follow('two', 'one');
    await node.until(() => node.refusal === '');
    node.put('together', 'x');
    await node.settled();
    await cluster.host('two').kill();
    node.put('alone', 'x');
    await node.until(() => /strict/.test(node.refusal));
    await assert.rejects(node.settled(), { code: 'EIO' });
  });

  it('bounds what is on its way: clients that are faster than a follower are made to wait', async () => {
    await using cluster = await Cluster.start(['one', 'two'], { syncTimeoutMs: 60_000 });
    const node = await cluster.lead('one');
    await cluster.untilInSync('two');
    const one = cluster.host('one');
    cluster.host('two').signal('SIGSTOP');
    const handle = node.create('large');
    const block = Buffer.alloc(256 * 1024, 'b');
    for (let offset = 0; offset < 60 * 1024 * 1024; offset += block.length) node.write(handle, offset, block);
    node.closeFile(handle);
    const lag = () => one.status?.peers[0]?.lagBytes ?? 0;
    await one.until('as much as a member may lack', () => lag() >= 2 * 1024 * 1024);
    const { asked, answered } = node;
    await delay(300);
    assert.ok(node.asked - node.answered > 150, `${asked - answered} wait`);
    assert.ok(lag() < 8 * 1024 * 1024, `${lag()} bytes`);
    cluster.host('two').signal('SIGCONT');
    await node.settled();
    assert.deepEqual(...(treesOf(cluster, 'two', 'one') as [string[], string[]]));
  });
});

describe('peers', () => {
  it('get in while strangers hold all the connections that they can get', async () => {
    await using cluster = await Cluster.start(['one', 'two']);
    const sockets = ['127.0.0.2', '127.0.0.3'].flatMap((localAddress) =>
      Array.from({ length: 64 }, () =>
        connect({ port: cluster.host('one').port, host: '127.0.0.1', localAddress }).on('error', () => {}),
      ),
    );
    await cluster
      .host('one')
      .until('strangers to be dropped', () => /CONNECTIONS_DROPPED/.test(cluster.host('one').log));
    await cluster.lead('one');
    await cluster.untilInSync('two');
    for (const socket of sockets) socket.destroy();
  });

  it('notice within seconds that the other one is frozen, or unplugged', async (t) => {
    await using cluster = await Cluster.start(['one', 'two', 'three'], { syncTimeoutMs: 600_000 });
    const [one, two, three] = [cluster.host('one'), cluster.host('two'), cluster.host('three')];
    const router = await CuttableProxy.to(one.port);
    t.after(() => router.close());
    three.send({ type: 'peers', peers: [{ ...one.asPeer(), port: router.port }] });
    await cluster.lead('one');
    await cluster.untilInSync('two', 'three');
    await three.until('three to stream', () => three.status?.caughtUp);
    const silences = (host: typeof one) => host.log.match(/has been silent for \d+ ms/g)?.length ?? 0;

    router.stall();
    // The follower may be first, and connect anew.
    await one.until('the leader to notice', () => /silent for|connected anew/.test(one.log));
    await three.until('the follower to notice', () => silences(three) === 1);

    const before = silences(one);
    two.signal('SIGSTOP');
    await one.until('the leader to notice', () => silences(one) === before + 1);
    const stateOfTwo = () => one.status?.peers.find(({ nodeId }) => nodeId === 'two')?.state;
    await one.until('two is away', () => stateOfTwo() === 'away');
    two.signal('SIGCONT');
    await one.until('two is back', () => stateOfTwo() === 'streaming');

    one.signal('SIGSTOP');
    await two.until('the follower to notice', () => silences(two) === 1);
    one.signal('SIGCONT');
  });

  it('stay connected while there is nothing to say', async () => {
    await using cluster = await Cluster.start(['one', 'two']);
    const node = await cluster.lead('one');
    await cluster.untilInSync('two');
    await delay(6000);
    for (const nodeId of ['one', 'two']) assert.doesNotMatch(cluster.host(nodeId).log, /silent|is away/);
    node.put('after', 'x');
    await node.settled();
  });

  it('stay connected while one of them is too busy to read', async () => {
    await using cluster = await Cluster.start(['one', 'two'], { syncTimeoutMs: 600_000 });
    const node = await cluster.lead('one');
    await cluster.untilInSync('two');
    const one = cluster.host('one');
    const handle = node.create('large');
    const block = Buffer.alloc(256 * 1024, 'b');
    for (let offset = 0; offset < 400 * 1024 * 1024; offset += block.length)
      node.write(handle, offset, block);
    node.closeFile(handle);
    await node.settled();
    assert.doesNotMatch(one.log, /is away/);
  });

  it('talks only to the keys that etcd names', async () => {
    await using cluster = await Cluster.start(['one', 'two']);
    const [one, two] = [cluster.host('one'), cluster.host('two')];
    const stranger = newKey('ed25519').publicKey;
    one.send({ type: 'peers', peers: [{ ...two.asPeer(), publicKey: stranger }] });
    await cluster.lead('one');
    await one.until('the refusal', () => /PEER_REFUSED/.test(one.log));

    two.send({ type: 'peers', peers: [{ ...one.asPeer(), publicKey: stranger }] });
    await two.until('the refusal', () => /PEER_REFUSED/.test(two.log));
    cluster.announce();
    await cluster.untilInSync('two');

    two.forget();
    one.send({ type: 'peers', peers: [{ ...two.asPeer(), publicKey: stranger }] });
    await two.until('the end of the connection', () => two.status?.caughtUp === false);
  });

  it('G7: garbage on the peer port hurts nobody', async () => {
    await using cluster = await Cluster.start(['one', 'two']);
    const node = await cluster.lead('one');
    await cluster.untilInSync('two');
    const clientHello = '\x16\x03\x01\x40\0\x01\0\x3f\xfc\x03\x03';
    const garbages = [
      'GET / HTTP/1.1\r\n\r\n',
      `SSH-2.0-x\r\n${'\xff'.repeat(70_000)}`,
      clientHello + '\xff'.repeat(70_000),
      '',
    ];
    for (const garbage of garbages) {
      const socket = connect(cluster.host('one').port, '127.0.0.1');
      socket.on('error', () => {});
      socket.end(Buffer.from(garbage, 'latin1'));
      await new Promise((resolve) => socket.resume().once('close', resolve));
    }
    node.put('unharmed', 'x');
    await node.settled();
    assert.deepEqual(...(treesOf(cluster, 'two', 'one') as [string[], string[]]));
  });

  it('G7: a door that makes no sense is sent away, and the next one is served', async () => {
    await using cluster = await Cluster.start(['one', 'two']);
    const node = await cluster.lead('one');
    await cluster.untilInSync('two');
    const socket = connect(cluster.host('one').settings.engineSocket);
    socket.end(Buffer.from([0, 0, 0, 3, 99, 1, 2]));
    await once(socket.resume(), 'close');
    assert.equal(statSync(cluster.host('one').settings.engineSocket).mode & 0o777, 0o600);
    node.put('unharmed', 'x');
    await node.settled();
  });
});
