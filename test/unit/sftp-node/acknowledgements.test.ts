/** Each reply that tells of a change, by itself: not before the peers have it (G3), and not once the gate is shut (G1). */
import assert from 'node:assert/strict';
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { FieldWriter } from '../../../sftp-node/sftp/fields.ts';
import { packetType, statusCode } from '../../../sftp-node/sftp/protocol.ts';
import type { RawReply } from '../../integration/sftp-node/raw-session.ts';
import { until } from '../until.ts';
import { type Case, everyRequest, prepare } from './requests.ts';
import { SessionFixture } from './session-fixture.ts';

const changes = everyRequest.filter(({ mutates }) => mutates !== undefined);
const durable = changes.filter(({ mutates }) => mutates === 'durable');

/** Names, kinds, modes, sizes, dates. */
function treeOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => {
      const { mode, size, mtimeMs, nlink } = lstatSync(join(folder, name));
      return [name, mode.toString(8), size, mtimeMs, nlink].join(' ');
    })
    .sort();
}

describe('the acknowledgement of', { timeout: 20_000 }, () => {
  let session: SessionFixture;
  let reply: RawReply | null;
  beforeEach(async () => {
    session = await SessionFixture.open();
    prepare(session.home);
    reply = null;
  });
  afterEach(() => session.dispose());

  async function send({ type, fields }: Case): Promise<void> {
    const packet = await fields(session);
    void session.raw.request(type, packet).then((answer) => {
      reply = answer;
    });
  }

  const status = () => {
    assert.equal(reply?.type, packetType.status);
    return reply?.fields.u32();
  };
  const hungUp = async () => {
    await until(() => session.hungUp || reply !== null);
    assert.equal(reply, null, 'it was acknowledged');
    await session.ended;
    assert.equal(reply, null);
  };

  for (const request of durable) {
    it(`${request.name} waits for the peers`, async () => {
      session.engine.acknowledges = false;
      await send(request);
      await until(() => session.engine.waiting === 1);
      // Long enough for the disk here.
      await delay(20);
      assert.equal(reply, null);
      session.engine.acknowledgeAll();
      await until(() => reply !== null);
      assert.equal(status(), statusCode.ok);
    });

    it(`${request.name} does not leave when the gate has ended while the peers were waited for`, async () => {
      session.engine.acknowledges = false;
      await send(request);
      await until(() => session.engine.waiting === 1);
      session.expireGate();
      session.engine.acknowledgeAll();
      await hungUp();
    });

    it(`${request.name} does not leave when the gate was shut while the peers were waited for`, async () => {
      session.engine.acknowledges = false;
      await send(request);
      await until(() => session.engine.waiting === 1);
      session.gate.shut();
      session.engine.acknowledgeAll();
      await hungUp();
    });
  }

  for (const request of changes) {
    it(`${request.name} does not leave when the gate ends in the middle of the change`, async () => {
      const { type, fields } = request;
      const packet = await fields(session);
      const end = () => session.expireGate();
      if (request.name === 'lsetstat@openssh.com') session.beforeUse = end;
      else session.engine.onMade = end;
      void session.raw.request(type, packet).then((answer) => {
        reply = answer;
      });
      await hungUp();
    });

    it(`${request.name} is not answered at all once a permit ended by itself`, async ({ mock }) => {
      const packet = await request.fields(session);
      session.expireGate();
      mock.timers.enable({ apis: ['setTimeout'] });
      void session.raw.request(request.type, packet).then((answer) => {
        reply = answer;
      });
      let isOver = false;
      void session.ended.then(() => {
        isOver = true;
      });
      // Whoever waits for the gate does so for a while, also when nobody waits for the answer any more.
      for (let turns = 0; !isOver && turns < 100; turns++) {
        mock.timers.tick(500);
        await new Promise((resolve) => setImmediate(resolve));
      }
      mock.timers.reset();
      assert.deepEqual([reply, session.hungUp], [null, true]);
    });

    it(`${request.name} is a refusal while the gate is shut, and nothing is changed`, async ({ mock }) => {
      const { type, fields } = request;
      const packet = await fields(session);
      const before = treeOf(session.home);
      const operations = session.kinds.length;
      session.gate.shut();
      mock.timers.enable({ apis: ['setTimeout'] });
      void session.raw.request(type, packet).then((answer) => {
        reply = answer;
      });
      // It waits for the gate a while.
      for (let turns = 0; reply === null && turns < 100; turns++) {
        mock.timers.tick(500);
        await new Promise((resolve) => setImmediate(resolve));
      }
      mock.timers.reset();
      assert.equal(status(), statusCode.failure);
      assert.match(String((reply as RawReply).fields.bytes()), /does not lead/);
      assert.deepEqual(treeOf(session.home), before);
      assert.equal(session.kinds.length, operations, 'it was journalled');
      assert.equal(session.hungUp, false);
      const told = session.lines.filter(({ audit }) => audit === 'refused');
      assert.equal(told.length, 1);
      assert.ok(told[0]?.path === 'alice/f' || Array.isArray(told[0]?.asked), 'of what it was');
    });
  }

  it('a CLOSE that was refused leaves no handle behind', async ({ mock }) => {
    const handle = await session.raw.open('/f', 3);
    assert.ok(handle !== null);
    session.gate.shut();
    mock.timers.enable({ apis: ['setTimeout'] });
    for (const expected of [/does not lead/, /not open/]) {
      let text = '';
      void session.raw.request(packetType.close, new FieldWriter().bytes(handle)).then(({ fields }) => {
        fields.u32();
        text = String(fields.bytes());
      });
      for (let turns = 0; text === '' && turns < 100; turns++) {
        mock.timers.tick(500);
        await new Promise((resolve) => setImmediate(resolve));
      }
      assert.match(text, expected);
    }
    mock.timers.reset();
  });

  it('RENAME never replaces, and posix-rename does', async () => {
    const { raw } = session;
    assert.equal(await raw.paths(packetType.rename, '/f', '/l'), statusCode.failure);
    assert.equal(await raw.paths(packetType.rename, '/d', '/empty'), statusCode.failure);
    assert.equal(await raw.paths(packetType.rename, '/f', '/f'), statusCode.failure);
    assert.deepEqual(readdirSync(session.home).sort(), ['d', 'empty', 'f', 'l']);
    assert.deepEqual(session.kinds, []);
    assert.deepEqual(session.lines[0]?.asked, ['/f', '/l'], 'the refusal in the audit log');
    assert.equal(await raw.extended('posix-rename@openssh.com', '/f', '/l'), statusCode.ok);
    assert.ok(lstatSync(session.at('l')).isFile());
    assert.equal(readFileSync(session.at('l'), 'utf8'), 'content');
  });
});
