import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync, statSync } from 'node:fs';
import { afterEach, describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { codeOf } from '#contracts/errors.ts';
import { SessionLost } from '../../../../sftp-node/engine/errors.ts';
import { until } from '../../until.ts';
import { EngineFixture, grantOf, openFile, small, upload } from './fixture.ts';

const path = (text: string) => Buffer.from(text);
let fixture: EngineFixture;
afterEach(() => fixture.dispose());

async function settledAs(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'done',
    (error) => (error instanceof SessionLost ? 'lost' : codeOf(error)),
  );
}

describe('a door asks the storage engine', () => {
  it('for every change, and is told where the paths led and whether it is durable', async () => {
    fixture = await new EngineFixture().start();
    const session = await fixture.session();
    const opened = await openFile(session, 'a');
    assert.equal(opened.path.toString(), 'alice/a');
    assert.equal(opened.inode, BigInt(statSync(fixture.at('a')).ino));
    await Promise.all(await upload(session, opened.handle, path('hello')));
    const { handle } = opened;
    assert.equal((await session.change({ kind: 'sync', handle })).durable, true);
    await session.change({ kind: 'set-handle-attributes', handle, attributes: { mode: 0o600 } });
    assert.deepEqual((await session.change({ kind: 'close', handle })).paths, []);
    await session.change({ kind: 'mkdir', path: path('d'), mode: 0o755 });
    const renamed = await session.change({
      kind: 'rename',
      from: path('a'),
      to: path('d/b'),
      replace: false,
    });
    assert.deepEqual(renamed.paths.map(String), ['a', 'd/b']);
    await session.change({ kind: 'link', existing: path('d/b'), path: path('c') });
    await session.change({ kind: 'symlink', path: path('s'), target: path('d') });
    await session.change({ kind: 'set-attributes', path: path('c'), follow: true, attributes: { size: 3 } });
    await session.change({ kind: 'remove', path: path('c') });
    await assert.rejects(session.change({ kind: 'rmdir', path: path('d') }), { code: 'ENOTEMPTY' });
    assert.equal(readFileSync(fixture.at('d/b'), 'utf8'), 'hello');
  });

  it('as one session in the order of its calls, WRITEs gathered into frames among them', async () => {
    fixture = await new EngineFixture().start();
    const session = await fixture.session();
    const data = randomBytes(3 * 1024 * 1024 + 77);
    const { handle } = await openFile(session, 'a');
    const writes = await upload(session, handle, data, { writeBytes: 32_768, pieceBytes: 20_000 });
    const closed = session.change({ kind: 'close', handle });
    const removed = session.change({ kind: 'remove', path: path('a') });
    await Promise.all([...writes, closed]);
    await removed;
    const made = fixture.engine.made.filter((line) => !line.startsWith('begin'));
    assert.deepEqual([made.at(0), ...made.slice(-2)], ['open a', `close ${handle}`, 'remove a']);
    const ranges = made.slice(1, -2).map((line) => line.split(/[ +]/).slice(2).map(Number));
    let end = 0;
    for (const [offset, length = 0] of ranges) {
      assert.equal(offset, end);
      end += length;
    }
    assert.equal(end, data.length);
    assert.ok(ranges.length < writes.length, `${ranges.length} frames for ${writes.length} WRITEs`);
  });

  it('and gets each byte there, whatever the pieces', async () => {
    fixture = await new EngineFixture().start();
    const session = await fixture.session();
    const data = randomBytes(2 * 1024 * 1024 + 1);
    for (const [writeBytes, pieceBytes] of [
      [261_120, 32_000],
      [1000, 1000],
      [4096, 1],
    ] as const) {
      const part = pieceBytes === 1 ? data.subarray(0, 20_000) : data;
      const { handle } = await openFile(session, 'a');
      await Promise.all(await upload(session, handle, part, { writeBytes, pieceBytes }));
      await session.change({ kind: 'close', handle });
      assert.ok(readFileSync(fixture.at('a')).equals(part));
    }
  });

  it('appends each WRITE whole, among those of others, and learns how large the file was', async () => {
    fixture = await new EngineFixture().start();
    const client = fixture.client();
    const sessions = await Promise.all([fixture.session(client), fixture.session(client)]);
    const handles: number[] = [];
    for (const session of sessions)
      handles.push((await openFile(session, 'log', { append: true, truncate: false })).handle);
    const sizes = await Promise.all(
      sessions.map(async (session, index) => {
        const data = Buffer.alloc(50_000, 0x61 + index);
        const handle = handles[index] ?? 0;
        const writes = await upload(session, handle, data, { writeBytes: 1000, pieceBytes: 300 });
        return (await Promise.all(writes)).map((written) => (written as { size: number }).size);
      }),
    );
    const log = readFileSync(fixture.at('log'), 'latin1');
    assert.equal(log.length, 100_000);
    assert.match(log, /^(?:a{1000}|b{1000})*$/);
    assert.deepEqual(
      sizes.flat().sort((a, b) => a - b),
      Array.from({ length: 100 }, (_, index) => (index + 1) * 1000),
    );
  });

  it('hears of the WRITEs that touch what was refused, and of no other', async () => {
    fixture = await new EngineFixture().start();
    const session = await fixture.session();
    const { handle } = await openFile(session, 'a');
    fixture.engine.refuse = ({ request }) =>
      request.kind === 'write' && request.offset === 10_000
        ? { kind: 'write-refused', written: 1500, errno: 'ENOSPC', sentence: 'full' }
        : null;
    const outcomes = [];
    // Two frames: they do not lie end to end.
    for (const offset of [0, 1000, 2000, 10_000, 11_000, 12_000, 30_000])
      outcomes.push(session.write({ handle, offset, data: Buffer.alloc(1000), last: true }));
    const settled = await Promise.all(outcomes.map((outcome) => settledAs(outcome ?? Promise.resolve())));
    assert.deepEqual(settled, ['done', 'done', 'done', 'done', 'ENOSPC', 'ENOSPC', 'done']);
  });

  it('does not hear of a WRITE before it is made', async () => {
    fixture = await new EngineFixture().start();
    const session = await fixture.session();
    const { handle } = await openFile(session, 'a');
    fixture.engine.isStalled = true;
    const made = await upload(session, handle, Buffer.alloc(100_000));
    const read = session.readBarrier();
    let settled = 0;
    for (const promise of [...made, read]) void promise.then(() => (settled += 1));
    await until(() => fixture.engine.stalledBytes === 100_000);
    await turn();
    assert.equal(settled, 0);
    fixture.engine.proceed();
    await Promise.all(made);
    await read;
  });

  it('reads behind what was made, before that is durable (H3)', async () => {
    fixture = await new EngineFixture().start();
    const session = await fixture.session();
    await session.readBarrier();
    assert.deepEqual(fixture.engine.made, ['begin-session'], 'with nothing under way nobody is asked');
    fixture.engine.holdsBarriers = true;
    let isDurable = false;
    const made = session.change({ kind: 'mkdir', path: path('d'), mode: 0o755 }).then(() => {
      isDurable = true;
    });
    await session.readBarrier();
    assert.ok(statSync(fixture.at('d')).isDirectory());
    assert.equal(isDurable, false);
    fixture.engine.flush();
    await made;
  });

  it('is answered in order by those that are durable, whichever was first', async () => {
    fixture = await new EngineFixture().start();
    const session = await fixture.session();
    fixture.engine.holdsBarriers = true;
    const order: string[] = [];
    const changes = ['a', 'b', 'c'].map((name) =>
      session.change({ kind: 'mkdir', path: path(name), mode: 0o755 }).then(() => order.push(name)),
    );
    await until(() => fixture.engine.barriers.length === 3);
    fixture.engine.barriers.reverse();
    fixture.engine.flush();
    await Promise.all(changes);
    assert.deepEqual(order, ['a', 'b', 'c']);
  });

  it('makes the home at the first login, and no more of it', async () => {
    fixture = await new EngineFixture().start();
    const client = fixture.client();
    await client.beginSession(grantOf('homes/bob', 0o750));
    assert.ok(statSync(`${fixture.files}/homes/bob`).isDirectory());
    await assert.rejects(client.beginSession(grantOf('homes/eve')), { code: 'ENOENT' });
    await fixture.session(client);
  });

  it('refuses by itself what the protocol has no room for', async () => {
    fixture = await new EngineFixture().start();
    const session = await fixture.session();
    const long = Buffer.alloc(65_537, 0x61);
    await assert.rejects(session.change({ kind: 'remove', path: long }), { code: 'ENAMETOOLONG' });
    const size = 2 ** 53;
    await assert.rejects(
      session.change({ kind: 'set-attributes', path: path('a'), follow: true, attributes: { size } }),
      { code: 'EINVAL' },
    );
    const { handle } = await openFile(session, 'a');
    const offset = Number.MAX_SAFE_INTEGER;
    const far = session.write({ handle, offset, data: Buffer.alloc(10), last: true });
    assert.equal(await settledAs(far ?? Promise.resolve()), 'EFBIG');
    const foreign = session.write({ handle: handle + 1, offset: 0, data: Buffer.alloc(10), last: true });
    assert.equal(await settledAs(foreign ?? Promise.resolve()), 'EBADF');
    await session.change({ kind: 'close', handle });
  });
});

describe('credit', () => {
  it('bounds what a stalled engine makes a door send, and what its server takes', async () => {
    fixture = await new EngineFixture().start();
    const session = await fixture.session();
    const { handle } = await openFile(session, 'a');
    fixture.engine.isStalled = true;
    const data = randomBytes(4 * 1024 * 1024);
    let isSent = false;
    const sent = upload(session, handle, data).then((writes) => {
      isSent = true;
      return writes;
    });
    await until(() => !session.hasCredit);
    await until(() => fixture.engine.stalledBytes > 0);
    for (let turns = 0; turns < 50; turns++) await turn();
    assert.equal(isSent, false);
    assert.ok(fixture.engine.stalledBytes <= 512 * 1024 + 256 * 1024, `${fixture.engine.stalledBytes}`);
    fixture.engine.proceed();
    await Promise.all(await sent);
    await session.change({ kind: 'close', handle });
    assert.ok(readFileSync(fixture.at('a')).equals(data));
  });

  it('of sessions that the engine holds up leaves room for the others (T3)', async () => {
    fixture = await new EngineFixture().start();
    const client = fixture.client();
    const slow = await Promise.all(Array.from({ length: 6 }, () => fixture.session(client)));
    const quick = await fixture.session(client);
    const opened = await Promise.all(slow.map((session, index) => openFile(session, `slow${index}`)));
    const held = [...fixture.engine.sessions].slice(0, slow.length);
    for (const session of held) session.pause();
    const slowData = randomBytes(1024 * 1024);
    const uploads = slow.map((session, index) => upload(session, opened[index]?.handle ?? 0, slowData));
    await until(() => slow.every((session) => !session.hasCredit));
    const data = randomBytes(3 * 1024 * 1024);
    const { handle } = await openFile(quick, 'quick');
    await Promise.all(await upload(quick, handle, data));
    await quick.change({ kind: 'close', handle });
    assert.ok(readFileSync(fixture.at('quick')).equals(data));
    for (const session of held) session.resume();
    await Promise.all((await Promise.all(uploads)).flat());
    for (const index of slow.keys()) assert.ok(readFileSync(fixture.at(`slow${index}`)).equals(slowData));
  });

  it("of the connection that one session has used up is another one's as soon as it is back", async () => {
    fixture = await new EngineFixture({ ...small, connectionRequests: 64 }).start();
    const client = fixture.client();
    const [busy, other] = [await fixture.session(client), await fixture.session(client)];
    fixture.engine.holdsBarriers = true;
    const changes = Array.from({ length: 64 }, (_, index) =>
      busy.change({ kind: 'mkdir', path: path(`d${index}`), mode: 0o755 }),
    );
    await until(() => fixture.engine.barriers.length === 64);
    const waits = other.change({ kind: 'mkdir', path: path('other'), mode: 0o755 });
    fixture.engine.holdsBarriers = false;
    fixture.engine.flush();
    await Promise.all([...changes, waits]);
  });

  it('is bounded in requests, too: the door waits by itself', async () => {
    fixture = await new EngineFixture().start();
    const session = await fixture.session();
    fixture.engine.holdsBarriers = true;
    const changes = Array.from({ length: 200 }, (_, index) =>
      session.change({ kind: 'mkdir', path: path(`d${index}`), mode: 0o755 }),
    );
    await until(() => fixture.engine.barriers.length === 64);
    await turn();
    assert.equal(fixture.engine.barriers.length, 64);
    fixture.engine.holdsBarriers = false;
    fixture.engine.flush();
    await Promise.all(changes);
  });
});

describe('when the engine dies (H1)', () => {
  it('sessions with an open handle or an unanswered change are lost, the others go on', async () => {
    fixture = await new EngineFixture().start();
    const client = fixture.client();
    const [open, unanswered, idle] = await Promise.all([0, 1, 2].map(() => fixture.session(client)));
    assert.ok(open && unanswered && idle);
    await openFile(open, 'a');
    fixture.engine.holdsBarriers = true;
    const change = settledAs(unanswered.change({ kind: 'mkdir', path: path('d'), mode: 0o755 }));
    await until(() => fixture.engine.barriers.length === 1);
    fixture.kill();
    await until(() => open.lost.aborted && unanswered.lost.aborted);
    assert.equal(await change, 'lost');
    assert.equal(await settledAs(open.permission()), 'lost');
    assert.equal(idle.lost.aborted, false);
    assert.equal(idle.permitted, false);
    await fixture.start();
    await idle.permission();
    await idle.change({ kind: 'mkdir', path: path('e'), mode: 0o755 });
    assert.equal(client.unanswered, 0);
    assert.deepEqual(fixture.engine.made, ['begin-session', 'mkdir e']);
  });

  it('a WRITE that waits is lost with its session', async () => {
    fixture = await new EngineFixture().start();
    const session = await fixture.session();
    const { handle } = await openFile(session, 'a');
    fixture.engine.isStalled = true;
    const [made] = await upload(session, handle, Buffer.alloc(1000));
    await until(() => fixture.engine.stalledBytes === 1000);
    fixture.kill();
    assert.equal(await settledAs(made ?? Promise.resolve()), 'lost');
    await assert.rejects(session.credit(), SessionLost);
  });

  it('who had closed all and was answered may write again, from the beginning of the count', async () => {
    fixture = await new EngineFixture().start();
    const session = await fixture.session();
    for (const name of ['a', 'b']) {
      await session.permission();
      const { handle } = await openFile(session, name);
      await Promise.all(await upload(session, handle, Buffer.alloc(300_000)));
      await session.change({ kind: 'close', handle });
      if (name === 'a') {
        fixture.kill();
        await until(() => !session.permitted);
        await fixture.start();
      }
    }
    assert.equal(statSync(fixture.at('b')).size, 300_000);
  });

  it('a session whose home is gone when the engine is back is lost', async () => {
    fixture = await new EngineFixture().start();
    const session = await fixture.session();
    fixture.kill();
    fixture.engine.refuse = () => ({ kind: 'refused', errno: 'ENOENT', sentence: 'the home is gone' });
    await fixture.start();
    await until(() => session.lost.aborted);
  });

  it('and so is one whose home vanished: only a login makes it', async () => {
    fixture = await new EngineFixture().start();
    const session = await fixture.client().beginSession(grantOf('bob', 0o750));
    fixture.kill();
    rmSync(`${fixture.files}/bob`, { recursive: true });
    await fixture.start();
    await until(() => session.lost.aborted);
  });

  it('why it refused changes is forgotten', async () => {
    fixture = await new EngineFixture().start();
    const session = await fixture.session();
    fixture.server?.refuse('too few copies');
    await until(() => !session.permitted);
    fixture.kill();
    await fixture.start();
    await session.permission();
  });

  it('changes wait for it, but not for ever', async () => {
    fixture = await new EngineFixture().start();
    const session = await fixture.session();
    fixture.kill();
    await until(() => !session.permitted);
    await assert.rejects(session.permission({ patienceMs: 20 }), /not connected/);
    await assert.rejects(session.change({ kind: 'remove', path: path('a') }), /not connected/);
    await assert.rejects(
      fixture.clients[0]?.beginSession(grantOf('alice'), { patienceMs: 20 }) ?? Promise.resolve(),
      /not connected/,
    );
    const aborter = new AbortController();
    const waits = session.permission({ signal: aborter.signal });
    aborter.abort(new Error('the client left'));
    await assert.rejects(waits, /the client left/);
  });

  it('an engine that is silent is told of, not left', async () => {
    fixture = await new EngineFixture().start();
    const clock = { now: 0 };
    const client = fixture.client({ attendedMs: () => clock.now });
    await fixture.session(client);
    assert.equal(client.silentMs, 0);
    clock.now = 3000;
    assert.equal(client.silentMs, 3000);
    await until(() => client.silentMs === 0);
  });
});

describe('writes that are refused', () => {
  it('are refused with the reason until they are allowed again; doors that come meanwhile hear it', async () => {
    fixture = await new EngineFixture().start();
    const early = await fixture.session();
    fixture.server?.refuse('too few copies');
    await until(() => !early.permitted);
    const late = await fixture.session();
    for (const session of [early, late])
      await assert.rejects(session.permission({ patienceMs: 10 }), /Writes are refused: too few copies/);
    const waits = early.permission();
    fixture.server?.refuse(null);
    await waits;
    await late.permission();
  });
});

describe('an epoch', () => {
  it('is that of both sides, or nothing is asked', async () => {
    fixture = await new EngineFixture().start({ epoch: 8 });
    const client = fixture.client({ epoch: 7 });
    await assert.rejects(client.beginSession(grantOf('alice'), { patienceMs: 50 }), /not connected/);
    assert.deepEqual(fixture.engine.made, []);
    assert.ok(fixture.lines.some(({ goodbye }) => goodbye === 'epoch'));
  });

  it('is served to so many processes, and to one too many is said what is the matter', async () => {
    fixture = await new EngineFixture().start({ connections: 1 });
    const first = await fixture.session();
    const second = fixture.client();
    await assert.rejects(
      second.beginSession(grantOf('alice'), { patienceMs: 200 }),
      /takes no more connections/,
    );
    await first.end();
  });

  it('ends with the leadership, and a door that is early waits for it', async () => {
    fixture = await new EngineFixture().start({ epoch: null });
    const begins = fixture.session();
    fixture.server?.lead(7);
    const session = await begins;
    await openFile(session, 'a');
    fixture.server?.lead(8);
    await until(() => session.lost.aborted);
    await until(() => fixture.engine.handles.size === 0);
    assert.equal(fixture.engine.sessions.size, 0);
  });

  it('no success leaves when the gate shut meanwhile; the door is sent away', async () => {
    fixture = await new EngineFixture().start();
    const session = await fixture.session();
    fixture.engine.holdsBarriers = true;
    const change = settledAs(session.change({ kind: 'mkdir', path: path('d'), mode: 0o755 }));
    await until(() => fixture.engine.barriers.length === 1);
    fixture.engine.mayAcknowledge = false;
    fixture.engine.flush();
    assert.equal(await change, 'lost');
    assert.ok(fixture.lines.some(({ goodbye }) => goodbye === 'gate-shut'));
  });

  it('a gate that is open again when all that waited is read lets the success leave', async () => {
    fixture = await new EngineFixture().start();
    const session = await fixture.session();
    fixture.engine.holdsBarriers = true;
    const change = session.change({ kind: 'mkdir', path: path('d'), mode: 0o755 });
    await until(() => fixture.engine.barriers.length === 1);
    fixture.engine.mayAcknowledge = false;
    fixture.engine.flush();
    await turn();
    fixture.engine.mayAcknowledge = true;
    await change;
  });
});

describe('a session that ends', () => {
  it('has its handles closed, with what was written kept', async () => {
    fixture = await new EngineFixture().start();
    const client = fixture.client();
    const session = await fixture.session(client);
    const { handle } = await openFile(session, 'a');
    const writes = await upload(session, handle, Buffer.alloc(70_000));
    await session.end();
    await Promise.all(writes);
    assert.equal(fixture.engine.handles.size, 0);
    assert.equal(fixture.engine.sessions.size, 0);
    assert.equal(statSync(fixture.at('a')).size, 70_000);
    for (let index = 0; index < 20; index++) await (await fixture.session(client)).end();
  });

  it('is not begun again when the engine comes back', async () => {
    fixture = await new EngineFixture().start();
    const client = fixture.client();
    const [stays, ends] = [await fixture.session(client), await fixture.session(client)];
    await ends.end();
    fixture.kill();
    await until(() => !stays.permitted);
    await fixture.start();
    await stays.permission();
    assert.equal(fixture.engine.sessions.size, 1);
  });

  it('in the middle of its beginning ends when that is answered', async () => {
    fixture = await new EngineFixture().start();
    const client = fixture.client();
    await fixture.session(client);
    fixture.engine.isStalled = true;
    await assert.rejects(client.beginSession(grantOf('alice'), { patienceMs: 10 }), /not connected/);
    fixture.engine.proceed();
    await until(() => fixture.engine.sessions.size === 1 && fixture.engine.made.includes('end-session'));
  });
});
