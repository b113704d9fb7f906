import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Want } from '../../../../replicator/core/answer-taker.ts';
import { encodeToFollower } from '../../../../replicator/peers/codec.ts';
import { limits } from '../../../../replicator/peers/limits.ts';
import type { ToFollower } from '../../../../replicator/peers/messages.ts';
import { Requests } from '../../../../replicator/peers/requests.ts';
import type { ModelEngine } from './model-engine.ts';
import { codeOf, engine, lead, opened, order, Pair, path } from './pair.ts';

/** A follower that has joined a leader. */
async function joined() {
  const [a, b] = [engine('a'), engine('b')];
  lead(a, 1);
  const pair = new Pair(a);
  const { ended, session } = pair.follow(b);
  await pair.settle(a, b);
  return { a, b, pair, ended, session, settle: () => pair.settle(a, b) };
}

/** Frames that its leader would not send. */
async function answerTo(
  messages: readonly ToFollower[],
): Promise<{ code: unknown; told: unknown; b: ModelEngine }> {
  const { b, pair, ended, settle } = await joined();
  for (const message of messages) pair.ends[0].send(encodeToFollower(message));
  await settle();
  return { code: codeOf(await ended), told: codeOf(pair.serving.closed.reason), b };
}

function inodeOf({ host }: ModelEngine, name: string): bigint {
  const found = host.disk.find(name);
  return found?.kind === 'file' ? found.inode : 0n;
}

describe('a follower’s session', () => {
  it('takes records, tells what it received, and flushes when it is asked to', async () => {
    const { a, b, pair, settle } = await joined();
    order(a, [opened(1, 'f'), { kind: 'write', handle: 1, offset: 0, length: 3 }], [Buffer.from('abc')]);
    await settle();
    assert.deepEqual(pair.serving.receivedPosition, { epoch: 1, sequence: 3 });
    assert.deepEqual(pair.flushed, []);
    pair.serving.flush(3);
    await settle();
    assert.deepEqual(pair.flushed, [{ position: { epoch: 1, sequence: 3 }, complete: true }]);
    assert.deepEqual(b.host.disk.snapshot(), a.host.disk.snapshot());
  });

  it('passes a barrier while a flush of everything is under way', async () => {
    const { a, b, pair, settle } = await joined();
    const { promise, resolve } = Promise.withResolvers<void>();
    b.flush = async () => {
      const { position } = b;
      await promise;
      return { position, complete: true };
    };
    b.barrier = async () => true;
    order(a, [opened(1, 'f')]);
    pair.serving.flush(2);
    order(a, [opened(2, 'g')]);
    pair.serving.barrier(3);
    await settle();
    assert.deepEqual([pair.passed, pair.flushed], [[3], []]);
    resolve();
    await settle();
    assert.equal(pair.flushed.length, 1);
  });

  it('passes no barrier while it lacks something, and says by itself when it lacks nothing', async () => {
    const { a, b, pair, settle } = await joined();
    order(a, [opened(1, 'f'), { kind: 'write', handle: 1, offset: 0, length: 3 }], [null]);
    pair.serving.barrier(3);
    await settle();
    assert.deepEqual(pair.passed, []);
    assert.deepEqual(pair.flushed.at(-1), { position: { epoch: 1, sequence: 3 }, complete: true });
    assert.deepEqual(b.host.disk.snapshot(), a.host.disk.snapshot());
  });

  it('says by itself when a flush became complete that was not', async () => {
    const { a, b, pair } = await joined();
    order(a, [opened(1, 'f'), { kind: 'write', handle: 1, offset: 0, length: 3 }], [null]);
    pair.serving.flush(3);
    const step = async () => {
      for (const end of pair.ends) while (end.hasSomething) end.deliver();
      await new Promise((resolve) => setImmediate(resolve));
    };
    await step();
    assert.equal(b.host.isFlushing, true, 'the content has not come');
    await pair.settle(a, b);
    assert.deepEqual(
      pair.flushed.map(({ complete }) => complete),
      [false, true],
    );
  });

  it('does not take for new what was read before a record that it consumed without data (R4)', async () => {
    for (const kind of ['content', 'digest'] as const) {
      const { a, b, pair, settle } = await joined();
      const deliver = async () => {
        for (let round = 0; round < 4; round++) {
          for (const end of pair.ends) while (end.hasSomething) end.deliver();
          await new Promise((resolve) => setImmediate(resolve));
        }
      };
      const write = { kind: 'write', handle: 1, offset: 0, length: 3 } as const;
      order(a, [opened(1, 'f'), write], [Buffer.from('old')]);
      await settle();
      const { wants } = b;
      // What is there is 'old', and so it was at the leader when it was read.
      b.wants = () => [{ kind, path: 'f', from: 0, to: 3 }];
      order(a, [{ kind: 'close', handle: 9 }]);
      await deliver();
      a.slow.shift()?.run();
      order(a, [write], [null]);
      a.host.disk.write(inodeOf(a, 'f'), 0, Buffer.from('new'));
      b.wants = () => [];
      await settle();
      assert.equal(
        b.host.replica.isComplete,
        false,
        `${kind}: the write that came without data is lacked still`,
      );
      b.wants = wants;
      order(a, [{ kind: 'close', handle: 9 }]);
      await settle();
      assert.deepEqual(b.host.disk.snapshot(), a.host.disk.snapshot());
    }
  });

  it('does not flush again and again what cannot be flushed', async () => {
    const { a, b, pair, settle, session } = await joined();
    let flushes = 0;
    b.flush = async () => {
      flushes += 1;
      return { position: b.position, complete: false };
    };
    order(a, [opened(1, 'f')]);
    pair.serving.flush(2);
    await settle();
    assert.ok(flushes <= 3, `${flushes}`);
    const before = flushes;
    session.wake();
    await settle();
    assert.ok(flushes > before && flushes <= before + 2);
  });

  it('takes nothing more while too much waits for its flush', async () => {
    const { a, b, settle } = await joined();
    b.hasRoom = false;
    order(a, [opened(1, 'f')]);
    await settle();
    order(a, [opened(2, 'g')]);
    await settle();
    assert.equal(b.position.sequence, 2);
    b.hasRoom = true;
    for (const proceed of b.roomListeners) proceed();
    await settle();
    assert.equal(b.position.sequence, 3);
    assert.deepEqual(b.host.disk.snapshot(), a.host.disk.snapshot());
  });

  it('flushes once for the barriers that come while it flushes', async () => {
    const { a, b, pair, settle } = await joined();
    let flushes = 0;
    const { promise, resolve } = Promise.withResolvers<void>();
    b.flush = async () => {
      flushes += 1;
      const { position } = b;
      await promise;
      return { position, complete: true };
    };
    for (const handle of [1, 2, 3, 4]) {
      order(a, [opened(handle, `f${handle}`)]);
      pair.serving.flush(a.position.sequence);
      await settle();
    }
    assert.equal(flushes, 1);
    resolve();
    await settle();
    assert.equal(flushes, 2);
    assert.deepEqual(
      pair.flushed.map(({ position }) => position.sequence),
      [2, 5],
    );
  });

  it('takes no batch that does not follow, and leaves what it has', async () => {
    const a = engine('a');
    lead(a, 1);
    order(a, [{ kind: 'mkdir', path: path('x'), mode: 0o755 }]);
    const reading = a.read(1);
    const next = async () => {
      const read = reading.next();
      while (a.slow.length > 0) a.slow.shift()?.run();
      return (await read).value?.payload as Buffer;
    };
    const [first, second] = [await next(), await next()];
    const repeated = await answerTo([{ type: 'batch', payload: first, data: [] }]);
    assert.deepEqual([repeated.code, repeated.told], ['PEER_PROTOCOL', 'PEER_PROTOCOL']);
    const foreign = Buffer.from(second);
    foreign[20] = (foreign[20] ?? 0) ^ 1;
    const other = await answerTo([{ type: 'batch', payload: foreign, data: [] }]);
    assert.deepEqual([other.code, other.told], ['HISTORY_DIFFERS', 'HISTORY_DIFFERS']);
    assert.equal(other.b.position.sequence, 1);
    const later = Buffer.from(second);
    later.writeUInt32BE(9, 4);
    assert.equal((await answerTo([{ type: 'batch', payload: later, data: [] }])).code, 'HISTORY_DIFFERS');
  });

  it('takes no answer to what it did not ask, and no barrier or flush before its records', async () => {
    const wrong: ToFollower[] = [
      { type: 'name', id: 7, answer: { kind: 'absent' } },
      { type: 'entries', id: 7, page: null },
      { type: 'opened', id: 7 },
      { type: 'content', id: 7, offset: 0, data: Buffer.from('x') },
      { type: 'answered', id: 7 },
      { type: 'digest', id: 7, from: 0, to: 0, blockBytes: 1, digests: [] },
      { type: 'flush', sequence: 9 },
      { type: 'barrier', sequence: 9 },
      { type: 'barrier', sequence: 0 },
    ];
    for (const message of wrong) {
      const { code, told } = await answerTo([message]);
      assert.deepEqual([code, told], ['PEER_PROTOCOL', 'PEER_PROTOCOL'], message.type);
    }
  });

  it('takes no configuration of another leadership', async () => {
    const { code } = await answerTo([{ type: 'config', epoch: 2, digest: 'x', files: [] }]);
    assert.equal(code, 'EPOCH_STALE');
  });

  it('is over when nothing of it touches the engine any more', async () => {
    const { a, b, pair, ended } = await joined();
    order(a, [opened(1, 'f')]);
    pair.serving.flush(2);
    const step = async () => {
      for (const end of pair.ends) while (end.hasSomething) end.deliver();
      await new Promise((resolve) => setImmediate(resolve));
    };
    await step();
    await step();
    assert.equal(b.host.isFlushing, true);
    let isOver = false;
    const over = ended.then(() => {
      isOver = true;
    });
    pair.ends[1].cut();
    await step();
    assert.equal(isOver, false);
    await pair.settle(a, b);
    assert.equal(isOver, true);
    await over;
  });

  it('ends, and says why, when the engine cannot go on', async () => {
    const { a, b, pair, ended, settle } = await joined();
    b.consume = () => {
      throw Object.assign(new Error('no space left'), { code: 'LOG_DISK_FULL' });
    };
    order(a, [opened(1, 'f')]);
    await settle();
    assert.equal(codeOf(await ended), 'LOG_DISK_FULL');
    assert.equal(codeOf(pair.serving.closed.reason), 'LOG_DISK_FULL');
  });
});

describe('a follower’s requests', () => {
  const content = (name: string, to: number): Want => ({ kind: 'content', path: name, from: 0, to });

  it('are bounded in number, and in the bytes that are on their way', () => {
    const requests = new Requests();
    const names = Array.from({ length: 100 }, (_, index): Want => ({ kind: 'name', path: `${index}` }));
    assert.equal(requests.begin(names).length, limits.requests);
    assert.equal(requests.begin(names).length, 0);
    const pages = names.map(({ path }): Want => ({ kind: 'entries', path, after: null }));
    assert.equal(new Requests().begin(pages).length, limits.requestedPages);
    const files = new Requests();
    const begun = files.begin(Array.from({ length: 60 }, (_, index) => content(`${index}`, 2 ** 40)));
    const bytes = begun.reduce(
      (sum, want) => sum + (want.type === 'want-content' ? want.to - want.from : 0),
      0,
    );
    assert.equal(bytes, limits.requestedContent);
    // What fits beside the long ones is asked for.
    assert.equal(files.begin([{ kind: 'name', path: 'x' }]).length, 1);
  });

  it('are one of each subject at a time, and again once it is answered', () => {
    const requests = new Requests();
    const wants: Want[] = [
      { kind: 'name', path: 'x' },
      { kind: 'entries', path: 'x', after: null },
      content('x', 5),
    ];
    const begun = requests.begin(wants);
    assert.deepEqual(
      begun.map(({ type }) => type),
      ['want-name', 'want-entries', 'want-content'],
    );
    assert.equal(requests.begin([...wants, { kind: 'digest', path: 'x', from: 0, to: 5 }]).length, 0);
    const [name, entries, file] = begun.map(({ id }) => id) as [number, number, number];
    requests.name(name);
    requests.entries(entries);
    requests.file(file).opened = { inode: null, at: 1 };
    requests.done(file);
    assert.equal(requests.isEmpty, true);
    assert.equal(requests.begin(wants).length, 3);
  });

  it('take no bytes outside of what was asked for, and none before the file is open', () => {
    const requests = new Requests();
    const [want] = requests.begin([{ kind: 'content', path: 'x', from: 10, to: 20 }]);
    const id = want?.id ?? 0;
    const piece = (offset: number, length: number) => ({
      type: 'content' as const,
      id,
      offset,
      data: Buffer.alloc(length),
    });
    assert.throws(() => requests.content(piece(10, 5)), /does not belong/);
    requests.file(id).opened = { inode: 1n, at: 3 };
    assert.throws(() => requests.file(id), /does not belong/);
    assert.deepEqual(requests.content(piece(10, 10)).opened, { inode: 1n, at: 3 });
    assert.throws(() => requests.content(piece(9, 1)), /does not belong/);
    assert.throws(() => requests.content(piece(15, 6)), /does not belong/);
    assert.throws(() => requests.name(id), /does not belong/);
  });
});
