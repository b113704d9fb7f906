/** What is on the disk of the leader before a reply that says so leaves (G3). */
import '../fsyncs.ts';
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import pino from 'pino';
import { openHome } from '../../../sftp-node/home.ts';
import { FieldWriter } from '../../../sftp-node/sftp/fields.ts';
import { openFlag, packetType, statusCode } from '../../../sftp-node/sftp/protocol.ts';
import type { RawReply } from '../../integration/sftp-node/raw-session.ts';
import { fsyncs } from '../fsyncs.ts';
import { until } from '../until.ts';
import { type Case, everyRequest, prepare } from './requests.ts';
import { SessionFixture } from './session-fixture.ts';

const durable = everyRequest.filter(({ mutates }) => mutates === 'durable');

describe('on disk here before it is acknowledged', { timeout: 20_000 }, () => {
  let session: SessionFixture;
  let reply: RawReply | null;
  beforeEach(async () => {
    fsyncs.reset();
    session = await SessionFixture.open();
    prepare(session.home);
    reply = null;
  });
  afterEach(async () => {
    fsyncs.reset();
    await session.dispose();
  });

  /** Without the log. */
  const ofFiles = (paths: readonly string[]) => paths.filter((path) => path.startsWith(session.filesRoot));
  const inHome = (names: readonly string[]) => names.map((name) => join(session.home, name)).sort();
  /** @param prepare called when only the request itself is left to be sent */
  const send = async ({ type, fields }: Pick<Case, 'type' | 'fields'>, prepare: () => void) => {
    const packet = await fields(session);
    fsyncs.reset();
    prepare();
    void session.raw.request(type, packet).then((answer) => {
      reply = answer;
    });
  };

  it('every request of G3 is looked at', () => {
    const types = ['close', 'rename', 'remove', 'mkdir', 'rmdir', 'symlink', 'setstat', 'fsetstat'] as const;
    for (const type of types)
      assert.ok(
        durable.some((request) => request.type === packetType[type]),
        type,
      );
    for (const name of ['posix-rename', 'hardlink', 'fsync'])
      assert.ok(
        durable.some((request) => request.name.startsWith(name)),
        name,
      );
    for (const { name, synced } of durable) assert.ok(synced !== undefined && synced.length > 0, name);
  });

  for (const request of durable) {
    const files = request.synced ?? [];
    it(`${request.name} syncs ${files.map((name) => name || 'the folder').join(' and ')}`, async () => {
      await send(request, () => fsyncs.hold(session.filesRoot));
      await until(() => fsyncs.waiting.length > 0);
      // The peers have it; only the disk here is missing.
      await delay(10);
      assert.equal(reply, null, 'it was acknowledged');
      assert.deepEqual(fsyncs.waiting, inHome(files));
      const open = readdirSync('/proc/self/fd').length;
      fsyncs.release();
      await until(() => reply !== null);
      assert.equal((reply as RawReply | null)?.fields.u32(), statusCode.ok);
      assert.ok(readdirSync('/proc/self/fd').length <= open);
    });

    it(`${request.name} is no success when the disk fails`, async () => {
      await send(request, () => {
        fsyncs.failure = { folder: session.filesRoot, code: 'EIO' };
      });
      await until(() => reply !== null);
      const { fields } = reply as unknown as RawReply;
      assert.equal(fields.u32(), statusCode.failure);
      assert.match(String(fields.bytes()), /disk/);
    });
  }

  it('CLOSE of a new file syncs its folder, where opening it made a name', async () => {
    const handle = await session.raw.open('/d/new', openFlag.write | openFlag.create);
    assert.ok(handle !== null);
    await session.raw.write(handle, 0, Buffer.from('text'));
    assert.deepEqual(ofFiles(fsyncs.done), [], 'nothing is synced before');
    assert.equal(await session.raw.close(handle), statusCode.ok);
    assert.deepEqual(ofFiles(fsyncs.paths), inHome(['d', 'd/new']));
  });

  it('CLOSE of a file that another client has made and not closed yet syncs its folder too', async () => {
    const first = await session.raw.open('/d/new', openFlag.write | openFlag.create);
    const second = await session.raw.open('/d/new', openFlag.write);
    assert.ok(first !== null && second !== null);
    await session.raw.write(second, 0, Buffer.from('text'));
    assert.equal(await session.raw.close(second), statusCode.ok);
    assert.deepEqual(ofFiles(fsyncs.paths), inHome(['d', 'd/new']));
  });

  it('FSYNC of a file that was opened for reading syncs it', async () => {
    const handle = await session.raw.open('/f', openFlag.read);
    assert.ok(handle !== null);
    const fields = new FieldWriter().text('fsync@openssh.com').bytes(handle);
    assert.equal(await session.raw.status(packetType.extended, fields), statusCode.ok);
    assert.deepEqual(ofFiles(fsyncs.paths), inHome(['f']));
  });

  it('SETSTAT of a folder syncs it', async () => {
    const fields = new FieldWriter().text('/d').u32(4).u32(0o700);
    assert.equal(await session.raw.status(packetType.setstat, fields), statusCode.ok);
    assert.deepEqual(ofFiles(fsyncs.paths), inHome(['d']));
  });

  it('a home that is made at a login is on disk, with all above it, before anything in it is acknowledged', async () => {
    const never = new AbortController().signal;
    const silent = pino({ level: 'silent' });
    const { jail, engine } = await openHome(session.filesRoot, 'team/bob', session.client, never, silent);
    jail.close();
    await engine.change({ kind: 'mkdir', path: Buffer.from('made'), mode: 0o755 });
    const above = ['', 'team', 'team/bob', 'team/bob/made'].map((name) => join(session.filesRoot, name));
    assert.deepEqual(
      ofFiles(fsyncs.paths),
      above.map((path) => path.replace(/\/$/, '')),
    );
    await engine.end();
  });
});
