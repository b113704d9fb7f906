import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { afterEach, describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { DataRequest } from '#contracts/engine/message.ts';
import { EngineFixture, small } from '../../sftp-node/engine/fixture.ts';
import { until } from '../../until.ts';
import { beginning, bytesOf, hello, opening, RawDoor } from './raw-door.ts';

let fixture: EngineFixture;
const doors: RawDoor[] = [];
afterEach(() => {
  for (const door of doors.splice(0)) door.socket.destroy();
  fixture.dispose();
});

function door(): RawDoor {
  const raw = new RawDoor(fixture.path);
  doors.push(raw);
  return raw;
}

const write = (handle: number, offset: number, bytes: number | Buffer): DataRequest => ({
  kind: 'write',
  handle,
  offset,
  data: typeof bytes === 'number' ? Buffer.alloc(bytes, 0x61) : bytes,
});

describe('the socket of the engine', () => {
  it('is for its user alone', async () => {
    fixture = await new EngineFixture().start();
    assert.equal(statSync(fixture.path).mode & 0o777, 0o600);
  });

  it('takes requests however the stream is cut', async () => {
    fixture = await new EngineFixture().start();
    const raw = door();
    const handle = await raw.open('a');
    const data = randomBytes(90_000);
    const bytes = Buffer.concat(
      [0, 30_000, 60_000].map((at) =>
        bytesOf({ session: 1, request: 9, ...write(handle, at, data.subarray(at, at + 30_000)) }),
      ),
    );
    for (let at = 0; at < bytes.length; ) {
      const end = at < 200 ? at + 1 : at + 1 + Math.floor(Math.random() * 20_000);
      raw.socket.write(bytes.subarray(at, end));
      at = end;
      await turn();
    }
    await until(() => raw.of('acknowledged').at(-1)?.bytes === 90_000);
    assert.ok(readFileSync(fixture.at('a')).equals(data));
  });

  it('acknowledges the WRITEs of one turn as one', async () => {
    fixture = await new EngineFixture().start();
    const raw = door();
    const handle = await raw.open('a');
    raw.say(
      ...Array.from({ length: 40 }, (_, index) => ({
        session: 1,
        request: 9 + index,
        ...write(handle, index * 1000, 1000),
      })),
    );
    await until(() => raw.of('acknowledged').at(-1)?.bytes === 40_000);
    assert.ok(raw.of('acknowledged').length <= fixture.engine.turns.length);
    assert.ok(raw.of('acknowledged').length < 20);
  });

  it('counts the bytes of WRITEs only up to the first that is not made', async () => {
    fixture = await new EngineFixture().start();
    const raw = door();
    const handle = await raw.open('a');
    const later: (() => void)[] = [];
    fixture.engine.refuse = ({ request, settle }) => {
      if (request.kind === 'write' && request.offset === 100) {
        later.push(() => settle({ kind: 'written' }));
        return { kind: 'written' };
      }
      return null;
    };
    const submit = fixture.engine.submit.bind(fixture.engine);
    fixture.engine.submit = ({ requests, retain }) => {
      const [held, others] = [requests.slice(1, 2), requests.filter((_, index) => index !== 1)];
      if (requests.length === 3) {
        for (const { settle } of held) later.push(() => settle({ kind: 'written' }));
        submit({ requests: others, retain });
      } else submit({ requests, retain });
    };
    raw.say(...[0, 100, 200].map((at) => ({ session: 1, request: 9 + at, ...write(handle, at, 100) })));
    await until(() => raw.of('acknowledged').length > 0);
    await turn();
    assert.equal(raw.of('acknowledged').at(-1)?.bytes, 100);
    for (const settle of later) settle();
    await until(() => raw.of('acknowledged').at(-1)?.bytes === 300);
  });

  it('answers the end of a session after all else, also what the engine settles later', async () => {
    fixture = await new EngineFixture().start();
    const raw = door();
    const handle = await raw.open('a');
    fixture.engine.holdsBarriers = true;
    raw.ask(1, 3, { kind: 'mkdir', path: Buffer.from('d'), mode: 0o755 });
    raw.ask(1, 4, write(handle, 0, 10));
    raw.ask(1, 5, { kind: 'end-session' });
    await raw.hear('acknowledged');
    await turn();
    assert.equal(raw.of('done').length, 0);
    fixture.engine.flush();
    await raw.hear('done', 2);
    assert.deepEqual(
      raw.of('done').map(({ request }) => request),
      [3, 5],
    );
  });
});

describe('memory that a connection is read into', () => {
  it('is not used again while the engine retains it, and the connection is not read meanwhile', async () => {
    fixture = await new EngineFixture().start({ blocks: 3 });
    const raw = door();
    const handle = await raw.open('a');
    const kept: { data: Buffer; copy: Buffer }[] = [];
    fixture.engine.retains = true;
    fixture.engine.refuse = ({ request }) => {
      if ('data' in request) kept.push({ data: request.data, copy: Buffer.from(request.data) });
      return null;
    };
    const data = randomBytes(50_000);
    for (let index = 0; index < 100; index++) raw.ask(1, 9 + index, write(handle, index * data.length, data));
    await until(() => kept.length > 30);
    for (let turns = 0; turns < 100; turns++) await turn();
    assert.ok(kept.length < 64, `${kept.length} of 50 kB in three blocks of 1 MiB`);
    for (const { data, copy } of kept) assert.ok(data.equals(copy));
    fixture.engine.letGo();
    await until(() => kept.length === 100);
    assert.ok(readFileSync(fixture.at('a')).subarray(-50_000).equals(data));
  });

  it('is not used again either where a read ends with a frame', async () => {
    fixture = await new EngineFixture().start();
    const raw = door();
    const handle = await raw.open('a');
    const kept: Buffer[] = [];
    fixture.engine.retains = true;
    fixture.engine.refuse = ({ request }) => {
      if ('data' in request) kept.push(request.data);
      return null;
    };
    const written = Array.from({ length: 30 }, () => randomBytes(1000));
    for (const [index, data] of written.entries()) {
      raw.ask(1, 9 + index, write(handle, 0, data));
      await raw.hear('acknowledged', index + 1);
    }
    assert.ok(kept.every((data, index) => data.equals(written[index] ?? data.subarray(1))));
    assert.equal(kept.length, written.length);
  });

  it('of answers is bounded: a door that does not take them is not read from', async () => {
    fixture = await new EngineFixture().start();
    const raw = door();
    raw.say(hello);
    await raw.hear('welcome');
    raw.socket.pause();
    const pings = bytesOf(
      ...Array.from({ length: 10_000 }, (_, number) => ({ kind: 'ping', number }) as const),
    );
    for (let index = 0; index < 40; index++) raw.socket.write(pings);
    // 3.6 MB of pings: beside what is in sockets, the rest stays here.
    for (let turns = 0; turns < 500; turns++) await turn();
    assert.ok(raw.socket.writableLength > 1_000_000, `${raw.socket.writableLength}`);
    raw.socket.resume();
    await until(() => raw.of('pong').length === 400_000, 20_000);
  });
});

describe('a session', () => {
  it('has its own handles alone', async () => {
    fixture = await new EngineFixture().start();
    const raw = door();
    const handle = await raw.open('a');
    raw.say(beginning(2));
    await raw.hear('begun', 2);
    raw.ask(2, 5, write(handle, 0, 10));
    raw.ask(2, 6, { kind: 'close', handle });
    assert.equal((await raw.hear('write-refused')).errno, 'EBADF');
    assert.equal((await raw.hear('refused')).errno, 'EBADF');
    raw.ask(1, 7, { kind: 'close', handle });
    raw.ask(1, 8, write(handle, 0, 10));
    await raw.hear('write-refused', 2);
    assert.ok(!fixture.engine.made.some((line) => line.startsWith('write')));
  });

  it('has a bound of open handles, which closing one frees', async () => {
    fixture = await new EngineFixture().start();
    const raw = door();
    const handle = await raw.open('a');
    for (let request = 3; request < 7; request++) raw.say(opening(1, request, `f${request}`));
    const { errno, request } = await raw.hear('refused');
    assert.deepEqual([errno, request], ['EMFILE', 6]);
    raw.ask(1, 7, { kind: 'close', handle });
    raw.say(opening(1, 8, 'g'));
    await raw.hear('opened', 5);
  });

  it('whose connection breaks in the middle of a frame ends, with what was whole written', async () => {
    fixture = await new EngineFixture().start();
    const raw = door();
    const handle = await raw.open('a');
    raw.ask(1, 9, write(handle, 0, 5000));
    raw.socket.write(bytesOf({ session: 1, request: 10, ...write(handle, 5000, 5000) }).subarray(0, 3000));
    await raw.hear('acknowledged');
    raw.socket.destroy();
    await until(() => fixture.engine.sessions.size === 0);
    assert.equal(fixture.engine.handles.size, 0);
    assert.equal(statSync(fixture.at('a')).size, 5000);
    await until(() => fixture.server?.connections === 0);
  });

  it('that is paused ends with its connection, though its own end was held', async () => {
    fixture = await new EngineFixture().start();
    const raw = door();
    const handle = await raw.open('a');
    for (const session of fixture.engine.sessions) session.pause();
    raw.ask(1, 9, write(handle, 0, 5000));
    raw.ask(1, 10, { kind: 'end-session' });
    raw.say({ kind: 'ping', number: 1 });
    await raw.hear('pong');
    assert.deepEqual(fixture.engine.made.slice(2), []);
    raw.socket.destroy();
    await until(() => fixture.engine.sessions.size === 0);
    assert.deepEqual(fixture.engine.made.slice(2), ['end-session']);
  });

  it('that goes on has what was held made before what comes then', async () => {
    fixture = await new EngineFixture().start();
    const raw = door();
    await raw.open('a');
    const [session] = fixture.engine.sessions;
    session?.pause();
    raw.ask(1, 3, { kind: 'mkdir', path: Buffer.from('first'), mode: 0o755 });
    raw.say({ kind: 'ping', number: 1 });
    await raw.hear('pong');
    // From a timer on, the socket is read before what was held is handed on.
    await new Promise<void>((resolve) => {
      setTimeout(() => {
        raw.ask(1, 4, { kind: 'mkdir', path: Buffer.from('second'), mode: 0o755 });
        session?.resume();
        resolve();
      }, 1);
    });
    await raw.hear('done', 2);
    assert.deepEqual(fixture.engine.made.slice(-2), ['mkdir first', 'mkdir second']);
  });

  it('ends once, though its connection breaks right after', async () => {
    fixture = await new EngineFixture().start();
    const raw = door();
    await raw.open('a');
    raw.ask(1, 10, { kind: 'end-session' });
    await raw.hear('done');
    raw.socket.destroy();
    await until(() => fixture.server?.connections === 0);
    assert.equal(fixture.engine.made.filter((line) => line === 'end-session').length, 1);
  });
});

describe('a connection ends, and no other, when', () => {
  const greeted = [hello, beginning(1)];
  const cases: Record<string, [bytes: () => Buffer, code: string]> = {
    'it begins with garbage': [() => Buffer.from('GET / HTTP/1.1\r\n\r\n'), 'malformed'],
    'it does not greet': [() => bytesOf(beginning(1)), 'malformed'],
    'it greets twice': [() => bytesOf(hello, hello), 'malformed'],
    'it is of another epoch': [() => bytesOf({ ...hello, epoch: 6 } as typeof hello), 'epoch'],
    'it speaks no version of ours': [
      () => bytesOf({ ...hello, versions: { lowest: 2, highest: 9 } } as typeof hello),
      'version',
    ],
    'a frame is longer than any': [
      () => Buffer.concat([bytesOf(hello), Buffer.of(0, 16, 0, 0, 6)]),
      'malformed',
    ],
    'a frame is empty': [() => Buffer.concat([bytesOf(hello), Buffer.alloc(4)]), 'malformed'],
    'a type is unknown': [() => Buffer.concat([bytesOf(hello), Buffer.of(0, 0, 0, 1, 250)]), 'malformed'],
    'a session has not begun': [() => bytesOf(hello, opening(1, 1, 'a')), 'malformed'],
    'a session begins twice': [() => bytesOf(...greeted, beginning(1, 2)), 'malformed'],
    'a request comes after the end of its session': [
      () => bytesOf(...greeted, { session: 1, request: 2, kind: 'end-session' }, opening(1, 3, 'a')),
      'malformed',
    ],
    'there are too many sessions': [
      () => bytesOf(hello, ...Array.from({ length: 9 }, (_, index) => beginning(index))),
      'beyond-allowance',
    ],
  };
  for (const [what, [bytes, code]] of Object.entries(cases))
    it(what, async () => {
      fixture = await new EngineFixture().start();
      const other = await fixture.session();
      const raw = door();
      raw.socket.write(bytes());
      assert.equal(await raw.goodbye(), code);
      await until(() => fixture.engine.sessions.size === 1);
      await other.change({ kind: 'mkdir', path: Buffer.from('d'), mode: 0o755 });
    });

  it('a request is asked twice while the first is not answered', async () => {
    fixture = await new EngineFixture().start();
    const raw = door();
    await raw.open('a');
    fixture.engine.isStalled = true;
    raw.say(opening(1, 3, 'b'), opening(1, 3, 'c'));
    assert.equal(await raw.goodbye(), 'malformed');
    fixture.engine.proceed();
    assert.deepEqual(fixture.engine.made.slice(2), ['open b', 'end-session']);
    assert.equal(fixture.engine.handles.size, 0, 'also those opened by what was under way');
  });

  it('more is asked at once than the allowance has', async () => {
    fixture = await new EngineFixture().start();
    fixture.engine.holdsBarriers = true;
    const raw = door();
    raw.say(...greeted);
    for (let request = 2; request <= small.requests + 2; request++)
      raw.ask(1, request, { kind: 'mkdir', path: Buffer.from(`d${request}`), mode: 0o755 });
    assert.equal(await raw.goodbye(), 'beyond-allowance');
  });

  it('a session writes beyond its credit, or all sessions beyond theirs', async () => {
    fixture = await new EngineFixture().start();
    const first = door();
    const handle = await first.open('a');
    fixture.engine.isStalled = true;
    for (let index = 0; index < 3; index++) first.ask(1, 9 + index, write(handle, 0, 256 * 1024));
    assert.equal(await first.goodbye(), 'beyond-allowance');
    fixture.engine.proceed();

    const second = door();
    second.say(hello, ...[1, 2, 3].flatMap((id) => [beginning(id), opening(id, 2, `f${id}`)]));
    await second.hear('opened', 3);
    const handles = second.of('opened').map((opened) => opened.handle);
    fixture.engine.isStalled = true;
    for (const session of [1, 2])
      for (let index = 0; index < 2; index++)
        second.ask(session, 9 + index, write(handles[session - 1] ?? 0, 0, 256 * 1024));
    // Within its share a session is taken all the same.
    second.ask(3, 9, write(handles[2] ?? 0, 0, 32 * 1024));
    second.say({ kind: 'ping', number: 1 });
    await second.hear('pong');
    second.ask(3, 10, write(handles[2] ?? 0, 0, 1));
    assert.equal(await second.goodbye(), 'beyond-allowance');
    fixture.engine.proceed();
  });

  it('it does not say who it is', async () => {
    fixture = await new EngineFixture().start({ helloPatienceMs: 20 });
    const raw = door();
    await until(() => raw.isClosed);
    assert.deepEqual(raw.heard, []);
  });

  it('there are too many of them', async () => {
    fixture = await new EngineFixture().start();
    const many = Array.from({ length: 33 }, () => door());
    const last = many.at(-1);
    assert.equal(await last?.goodbye(), 'no-room');
    await until(() => fixture.server?.connections === 32);
  });
});

describe('a stream of noise', () => {
  it('ends connections, and never the server', async () => {
    fixture = await new EngineFixture().start();
    const other = await fixture.session();
    const handle = 1;
    const sane = bytesOf(
      hello,
      beginning(1),
      opening(1, 2, 'a'),
      { session: 1, request: 3, ...write(handle, 0, 100) },
      { session: 1, request: 4, kind: 'close', handle },
      { session: 1, request: 5, kind: 'rename', from: Buffer.from('a'), to: Buffer.from('b'), replace: true },
      { session: 1, request: 6, kind: 'end-session' },
    );
    for (let round = 0; round < 300; round++) {
      const bytes = Buffer.from(sane);
      const greeting = bytesOf(hello).length;
      for (let flips = 0; flips <= round % 4; flips++)
        bytes[greeting + Math.floor(Math.random() * (bytes.length - greeting))] = Math.floor(
          Math.random() * 256,
        );
      const raw = door();
      raw.socket.end(round % 3 === 0 ? bytes.subarray(0, Math.floor(Math.random() * bytes.length)) : bytes);
      await until(() => raw.isClosed);
    }
    await other.change({ kind: 'mkdir', path: Buffer.from('still-there'), mode: 0o755 });
    await until(() => fixture.engine.sessions.size === 1);
    assert.equal(fixture.engine.handles.size, 0);
    assert.ok(!fixture.lines.some(({ msg }) => msg === 'a turn failed'));
  });
});
