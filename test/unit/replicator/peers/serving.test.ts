import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LogRecord } from '../../../../replicator/core/record.ts';
import { limits } from '../../../../replicator/peers/limits.ts';
import { LiveStream } from '../../../../replicator/peers/live-stream.ts';
import type { ToFollower } from '../../../../replicator/peers/messages.ts';
import type { OpenContent } from '../../../../replicator/peers/ports.ts';
import type { ModelEngine } from './model-engine.ts';
import { codeOf, engine, lead, opened, order, Pair, path } from './pair.ts';

function write(handle: number, offset: number, length: number): LogRecord {
  return { kind: 'write', handle, offset, length };
}

/** A leader with a follower by hand that joined at its beginning. */
async function joined(options: ConstructorParameters<typeof Pair>[1] = {}, leader = engine('a')) {
  lead(leader, 1);
  const pair = new Pair(leader, options);
  const received = pair.byHand();
  const { position, chain, epochs } = leader;
  const at = { position, chain: chain.toString('hex') };
  pair.send({
    type: 'hello',
    cluster: 'test',
    node: 'b',
    highestEpoch: 1,
    ...at,
    epochs: epochs.map(({ epoch, first }) => [epoch, first]),
    start: { epoch: 0, sequence: 0 },
  });
  await pair.settle(leader);
  pair.send({ type: 'joined', ...at });
  await pair.settle(leader);
  return { leader, pair, received };
}

function typesOf(received: readonly ToFollower[]): string[] {
  return received.map(({ type }) => type);
}

/** A leader whose files are as long as asked for, and whose reads end when the test says so. */
function withLongFiles(leader: ModelEngine, sizeOf: (path: string) => number) {
  const reads: { path: string; end: () => void }[] = [];
  leader.openContent = (at): OpenContent => {
    const later = <T>(result: T) =>
      new Promise<T>((resolve) => reads.push({ path: at, end: () => resolve(result) }));
    const lengthOf = (from: number, to: number) => Math.max(0, Math.min(to, sizeOf(at)) - from);
    return {
      read: (from, to) => later(Buffer.alloc(lengthOf(from, to))),
      digest: (from, to) => later({ bytes: lengthOf(from, to), digest: Buffer.alloc(32) }),
      close: () => {},
    };
  };
  return reads;
}

describe('a leader’s session', () => {
  it('sends records with their data, and without what left the window', async () => {
    const { leader, pair, received } = await joined({ windowBytes: 4000, highWater: 200 });
    let reading = 0;
    const read = leader.read.bind(leader);
    leader.read = async function* (from) {
      reading += 1;
      try {
        yield* read(from);
      } finally {
        reading -= 1;
      }
    };
    order(leader, [opened(1, 'f')]);
    for (let at = 0; at < 20; at++) order(leader, [write(1, at * 500, 500)], [Buffer.alloc(500, at + 1)]);
    await pair.settle(leader);
    // It takes its time: what the window dropped meanwhile comes from the log.
    order(leader, [write(1, 0, 3)], [Buffer.from('end')]);
    await pair.settle(leader);
    const batches = received.filter((message) => message.type === 'batch');
    assert.equal(batches.length, 22);
    const data = batches.slice(1).map(({ data: [bytes] }) => bytes?.length ?? null);
    assert.ok(data.slice(0, -1).includes(null), 'the window is bounded');
    assert.equal(data.at(-1), 3, 'who has caught up gets data again');
    assert.equal(reading, 0, 'the log is let go');
  });

  it('costs a bounded window whatever a follower does not read, and slows nobody', async () => {
    const { leader, pair, received } = await joined({ windowBytes: 20_000, highWater: 5000 });
    const frozen = new Pair(leader, { stream: pair.stream, highWater: 5000 });
    frozen.byHand();
    frozen.send({
      type: 'hello',
      cluster: 'test',
      node: 'b',
      highestEpoch: 1,
      position: leader.position,
      chain: leader.chain.toString('hex'),
      epochs: [[1, 1]],
      start: { epoch: 0, sequence: 0 },
    });
    await frozen.settle(leader);
    frozen.send({ type: 'joined', position: leader.position, chain: leader.chain.toString('hex') });
    await frozen.settle(leader);
    frozen.ends[1].pause();
    order(leader, [opened(1, 'f')]);
    let most = 0;
    for (let at = 0; at < 500; at++) {
      order(leader, [write(1, 0, 1000)], [Buffer.alloc(1000)]);
      if (at % 5 === 0) await pair.settle(leader);
      most = Math.max(most, pair.stream.window.bytes, frozen.ends[0].sentBytes);
      assert.equal(pair.stream.isFull, false, 'it is no member');
    }
    await pair.settle(leader);
    assert.ok(most <= 2 * 20_000, `${most} bytes`);
    const batches = received.filter((message) => message.type === 'batch');
    assert.equal(batches.length, 501);
    assert.ok(batches.slice(1).every(({ data: [bytes] }) => bytes?.length === 1000));
    frozen.ends[1].resume();
    await frozen.settle(leader);
    assert.equal(frozen.ends[0].sentBytes, 0, 'it gets all of it in the end');
    assert.equal(frozen.serving.closed.aborted, false);
  });

  it('gives a member the window as credit, until it makes progress or is none', async () => {
    const { leader, pair } = await joined({ windowBytes: 10_000 });
    pair.serving.setMember(true);
    order(leader, [opened(1, 'f')]);
    const fill = () => {
      for (let count = 0; !pair.stream.isFull; count++) {
        order(leader, [write(1, 0, 1000)], [Buffer.alloc(1000)]);
        assert.ok(count < 20, 'the credit ends');
      }
    };
    fill();
    await pair.settle(leader);
    assert.equal(pair.stream.isFull, true, 'what was sent is not received');
    assert.equal(pair.rooms, 0);
    pair.send({ type: 'received', position: leader.position });
    await pair.settle(leader);
    assert.deepEqual([pair.stream.isFull, pair.rooms], [false, 1]);
    fill();
    pair.serving.setMember(false);
    assert.deepEqual([pair.stream.isFull, pair.rooms], [false, 2]);
    pair.serving.setMember(true);
    fill();
    pair.ends[0].cut();
    assert.deepEqual([pair.stream.isFull, pair.rooms], [false, 3]);
  });

  it('answers behind the records before, and before those after', async () => {
    const { leader, pair, received } = await joined();
    order(leader, [{ kind: 'mkdir', path: path('x'), mode: 0o755 }]);
    pair.send({ type: 'want-name', id: 1, path: 'x' });
    pair.ends[1].deliver();
    order(leader, [{ kind: 'rmdir', path: path('x') }]);
    await pair.settle(leader);
    assert.deepEqual(typesOf(received).slice(1), ['batch', 'name', 'batch']);
    const name = received.find(({ type }) => type === 'name');
    assert.deepEqual(name, { type: 'name', id: 1, answer: { kind: 'directory', mode: 0o755 } });
  });

  it('answers behind the records before also when they are not sent yet', async () => {
    const { leader, pair, received } = await joined({ highWater: 1 });
    for (const name of ['x', 'y', 'z']) {
      order(leader, [{ kind: 'mkdir', path: path(name), mode: 0o755 }]);
    }
    pair.send({ type: 'want-name', id: 1, path: 'x' });
    pair.ends[1].deliver();
    order(leader, [{ kind: 'rmdir', path: path('x') }]);
    await pair.settle(leader);
    assert.deepEqual(typesOf(received).slice(1), ['batch', 'batch', 'batch', 'name', 'batch']);
  });

  it('sends content behind all records that were issued before it was read', async () => {
    const { leader, pair, received } = await joined({ highWater: 300 });
    order(leader, [opened(1, 'f'), write(1, 0, 3)], [Buffer.from('abc')]);
    pair.send({ type: 'want-content', id: 1, path: 'f', from: 0, to: 3 });
    const deliverAll = async () => {
      for (let round = 0; round < 5; round++) {
        for (const end of pair.ends) while (end.hasSomething) end.deliver();
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await deliverAll();
    leader.slow.shift()?.run();
    // While it is read.
    for (let at = 0; at < 5; at++) order(leader, [write(1, at, 100)], [Buffer.alloc(100)]);
    leader.slow.shift()?.run();
    await deliverAll();
    const content = typesOf(received).indexOf('content');
    assert.ok(content > typesOf(received).lastIndexOf('batch'), typesOf(received).join(' '));
    const found = received[content];
    assert.ok(found?.type === 'content');
    assert.equal(found.data.toString(), 'abc', 'it was read before they were applied');
  });

  it('reads a piece of each file in turn: a long one keeps the short ones from nothing', async () => {
    const leader = engine('a');
    const { pair, received } = await joined({ highWater: 2 ** 24 }, leader);
    const reads = withLongFiles(leader, (at) => (at.startsWith('long') ? 2 ** 40 : 100));
    for (let id = 0; id < 20; id++) {
      const isLong = id < 5;
      const to = isLong ? limits.contentRange : 100;
      pair.send({ type: 'want-content', id, path: isLong ? `long${id}` : `short${id}`, from: 0, to });
    }
    await pair.settle(leader);
    let ended = 0;
    while (received.filter(({ type }) => type === 'answered').length < 15) {
      assert.ok(reads.length <= 4, 'few at a time');
      reads.shift()?.end();
      ended += 1;
      await pair.settle(leader);
    }
    assert.ok(ended <= 25, `${ended} reads for 15 short files beside 5 long ones`);
  });

  it('begins no read while there are records to send', async () => {
    const leader = engine('a');
    const { pair } = await joined({ highWater: 500 }, leader);
    const reads = withLongFiles(leader, () => 2 ** 40);
    order(leader, [opened(1, 'f')]);
    pair.ends[1].pause();
    for (let at = 0; at < 20; at++) order(leader, [write(1, 0, 100)], [Buffer.alloc(100)]);
    pair.send({ type: 'want-content', id: 1, path: 'f', from: 0, to: 100 });
    pair.ends[1].deliver();
    await pair.settle(leader);
    assert.equal(reads.length, 0);
    pair.ends[1].resume();
    await pair.settle(leader);
    assert.equal(reads.length, 1);
  });

  it('tells the digests of a range block by block, up to where the file ends', async () => {
    const leader = engine('a');
    const size = 3 * limits.digestBlock + 5;
    const { pair, received } = await joined({ highWater: 2 ** 24 }, leader);
    const reads = withLongFiles(leader, () => size);
    pair.send({ type: 'want-digest', id: 1, path: 'f', from: 0, to: limits.digestRange });
    for (let read = 0; read < 4; read++) {
      await pair.settle(leader);
      reads.shift()?.end();
    }
    await pair.settle(leader);
    const digest = received.find((message) => message.type === 'digest');
    assert.deepEqual([digest?.from, digest?.to, digest?.digests.length], [0, size, 4]);
    assert.deepEqual(typesOf(received).slice(-2), ['opened', 'digest']);
  });

  it('says that there is no file, and no directory', async () => {
    const { leader, pair, received } = await joined();
    pair.send({ type: 'want-content', id: 1, path: 'none', from: 0, to: 3 });
    pair.send({ type: 'want-entries', id: 2, path: 'none', after: null });
    await pair.settle(leader);
    assert.deepEqual(received.slice(1), [
      { type: 'answered', id: 1 },
      { type: 'entries', id: 2, page: null },
    ]);
  });

  it('answers with a directory that came while it was looked for', async () => {
    const { leader, pair, received } = await joined();
    pair.send({ type: 'want-entries', id: 1, path: 'x', after: null });
    pair.ends[1].deliver();
    order(leader, [{ kind: 'mkdir', path: path('x'), mode: 0o755 }]);
    await pair.settle(leader);
    const page = { after: null, names: [], upTo: null };
    assert.deepEqual(
      received.slice(-2).map(({ type }) => type),
      ['batch', 'entries'],
    );
    assert.deepEqual(received.at(-1), { type: 'entries', id: 1, page });
  });

  it('asks for a flush behind the records that it is about, once for those behind the first', async () => {
    const { leader, pair, received } = await joined({ highWater: 1 });
    order(leader, [opened(1, 'x')]);
    order(leader, [opened(2, 'y')]);
    pair.serving.flush(2);
    pair.serving.flush(3);
    pair.serving.flush(2);
    order(leader, [opened(3, 'z')]);
    await pair.settle(leader);
    assert.deepEqual(typesOf(received).slice(1), ['batch', 'flush', 'batch', 'flush', 'batch']);
    assert.deepEqual(received.at(-2), { type: 'flush', sequence: 3 });
  });

  it('asks for the flush that was asked for first while more records come than are taken', async () => {
    const { leader, pair, received } = await joined({ highWater: 1 });
    for (let handle = 1; handle <= 4; handle++) {
      order(leader, [opened(handle, `f${handle}`)]);
      pair.serving.flush(leader.position.sequence);
    }
    await pair.settle(leader);
    const asked = received.flatMap((message) => (message.type === 'flush' ? [message.sequence] : []));
    assert.deepEqual([asked[0], asked.at(-1)], [2, 5], `${asked}`);
  });

  it('keeps data for those who follow, or are to go on following, and for nobody else', async () => {
    const leader = engine('a');
    lead(leader, 1);
    let expected = false;
    const stream = new LiveStream(
      leader,
      1_000_000,
      () => {},
      1_000_000,
      () => expected,
    );
    const kept = (handle: number) => {
      const { sequence } = leader.position;
      order(leader, [{ kind: 'write', handle, offset: 0, length: 3 }], [Buffer.from('abc')]);
      return Array.isArray(stream.window.at(sequence + 1)?.data);
    };
    order(leader, [opened(1, 'f')]);
    assert.equal(kept(1), false);
    expected = true;
    assert.equal(kept(1), true);
    expected = false;
    const reader = { isMember: false, received: 0, pump: () => {} };
    stream.add(reader);
    assert.equal(kept(1), true);
    stream.remove(reader);
    assert.equal(kept(1), false);
  });

  it('asks for a barrier directly behind the batch that it is about, each by itself', async () => {
    const { leader, pair, received } = await joined({ highWater: 1 });
    order(leader, [opened(1, 'x')]);
    pair.serving.barrier(2);
    order(leader, [opened(2, 'y')]);
    pair.serving.flush(3);
    order(leader, [opened(3, 'z')]);
    pair.serving.barrier(4);
    await pair.settle(leader);
    assert.deepEqual(typesOf(received).slice(1), ['batch', 'barrier', 'batch', 'flush', 'batch', 'barrier']);
    assert.deepEqual(received.at(-1), { type: 'barrier', sequence: 4 });
    pair.send({ type: 'passed', sequence: 2 });
    await pair.settle(leader);
    assert.deepEqual(pair.passed, [2]);
    pair.serving.barrier(3);
    await pair.settle(leader);
    assert.deepEqual(received.at(-1), { type: 'flush', sequence: 3 }, 'too late for a barrier');
    pair.send({ type: 'passed', sequence: 5 });
    await pair.settle(leader);
    assert.equal(codeOf(pair.serving.closed.reason), 'PEER_PROTOCOL', 'of what was not sent');
  });

  it('counts what is flushed when it is of its own history, and was sent', async () => {
    for (const type of ['flushed', 'received'] as const) {
      const { leader, pair } = await joined();
      order(leader, [opened(1, 'x')]);
      await pair.settle(leader);
      const tell = (epoch: number, sequence: number) =>
        pair.send({ type, position: { epoch, sequence }, complete: true } as Parameters<Pair['send']>[0]);
      tell(1, 2);
      await pair.settle(leader);
      if (type === 'flushed')
        assert.deepEqual(pair.flushed, [{ position: { epoch: 1, sequence: 2 }, complete: true }]);
      else assert.equal(pair.serving.received, 2);
      tell(7, 2);
      await pair.settle(leader);
      assert.equal(codeOf(pair.serving.closed.reason), 'HISTORY_DIFFERS');
      assert.ok(pair.flushed.length <= 1);

      const later = await joined();
      later.pair.send({ type, position: { epoch: 1, sequence: 9 }, complete: true } as Parameters<
        Pair['send']
      >[0]);
      await later.pair.settle(later.leader);
      assert.equal(codeOf(later.pair.serving.closed.reason), 'PEER_PROTOCOL');
      assert.equal(later.pair.flushed.length, 0);
    }
  });

  it('has a bounded number of requests, and no two of one id', async () => {
    const { leader, pair, received } = await joined({ highWater: 10 });
    pair.ends[1].pause();
    for (let id = 0; id <= limits.requests + 4; id++) pair.send({ type: 'want-name', id, path: 'x' });
    await pair.settle(leader);
    pair.ends[1].resume();
    await pair.settle(leader);
    assert.equal(codeOf(pair.serving.closed.reason), 'PEER_PROTOCOL');
    const last = received.at(-1);
    assert.ok(last?.type === 'ended' && last.code === 'PEER_PROTOCOL', 'the follower is told');

    const twice = await joined();
    withLongFiles(twice.leader, () => 100);
    for (let time = 0; time < 2; time++) {
      twice.pair.send({ type: 'want-content', id: 1, path: 'f', from: 0, to: 3 });
    }
    await twice.pair.settle(twice.leader);
    assert.equal(codeOf(twice.pair.serving.closed.reason), 'PEER_PROTOCOL');
  });

  it('ends with the reason on both sides when its log does not reach back any more', async () => {
    const { leader, pair, received } = await joined({ windowBytes: 1000, highWater: 200 });
    pair.ends[1].pause();
    order(leader, [opened(1, 'f')]);
    for (let at = 0; at < 20; at++) order(leader, [write(1, 0, 500)], [Buffer.alloc(500)]);
    leader.trimLog();
    pair.ends[1].resume();
    await pair.settle(leader);
    assert.match(String(pair.serving.closed.reason), /does not reach back/);
    assert.equal(received.at(-1)?.type, 'ended');
  });

  it('ends with a code on both sides at a frame that is too long', async () => {
    const { leader, pair, received } = await joined();
    const head = Buffer.alloc(5);
    head.writeUInt32BE(limits.frame + 1);
    pair.ends[1].send([head]);
    await pair.settle(leader);
    assert.equal(codeOf(pair.serving.closed.reason), 'PEER_PROTOCOL');
    const last = received.at(-1);
    assert.ok(last?.type === 'ended' && last.code === 'PEER_PROTOCOL');
  });
});
