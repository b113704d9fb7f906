/** What a standby that catches up relies on: nothing changes during a hold, and the open files are those it was told. */
import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { FieldWriter } from '../../../sftp-node/sftp/fields.ts';
import { attributeFlag, openFlag } from '../../../sftp-node/sftp/protocol.ts';
import { waitFor } from '../../lab/wait.ts';
import { NodeFixture } from './fixture.ts';
import { packetType, RawSession, statusCode } from './raw-session.ts';

const forWriting = openFlag.write | openFlag.create;

describe('a hold', { timeout: 60_000 }, () => {
  let node: NodeFixture;
  let session: RawSession;
  beforeEach(async () => {
    node = new NodeFixture();
    await node.prepare();
    await node.start();
    await node.openGate(600_000);
    session = new RawSession(await node.rawChannel());
  });
  afterEach(async () => {
    session.client.destroy();
    await node.dispose();
  });

  async function opened(path: string): Promise<Buffer> {
    const handle = await session.open(path, forWriting);
    assert.ok(handle !== null);
    return handle;
  }

  async function hold() {
    const count = node.journal.held.length;
    node.journal.send({ type: 'hold' });
    return waitFor('held', () => node.journal.held[count]);
  }

  const pathsOf = ({ handles }: { handles: readonly { path: Buffer }[] }) =>
    handles.map(({ path }) => path.toString());

  it('stops a CLOSE too: it sets times, and closes the file on the standby', async () => {
    const handle = await opened('/f');
    await session.write(handle, 0, Buffer.from('text'));
    const held = await hold();
    let closed = false;
    const closing = session.close(handle).then((status) => {
      closed = true;
      return status;
    });
    const timeBefore = statSync(join(node.filesRoot, 'alice/f'), { bigint: true }).ctimeNs;
    await delay(300);
    assert.equal(closed, false);
    assert.equal(node.journal.operations.at(-1)?.sequence, held.sequence);
    assert.equal(statSync(join(node.filesRoot, 'alice/f'), { bigint: true }).ctimeNs, timeBefore);
    node.journal.send({ type: 'release' });
    assert.equal(await closing, statusCode.ok);
    assert.equal(node.journal.kinds().at(-1), 'close');
  });

  it('keeps the files of a client that is gone open until it ends', async () => {
    const handle = await opened('/f');
    await session.write(handle, 0, Buffer.from('text'));
    const held = await hold();
    session.client.destroy();
    await delay(300);
    assert.equal(node.journal.operations.at(-1)?.sequence, held.sequence);
    assert.deepEqual(pathsOf(await hold()), ['alice/f'], 'it is still open');
    node.journal.send({ type: 'release' });
    await waitFor('the close in the journal', () => node.journal.kinds().at(-1) === 'close');
    assert.deepEqual(pathsOf(await hold()), []);
  });

  it('ends with the journal connection; a request that waited is carried out once it is back', async () => {
    await hold();
    const making = session.mkdir('/d');
    await delay(100);
    node.journal.close();
    await node.journal.listen();
    assert.equal(await making, statusCode.ok);
  });

  it('does not carry out what nobody waits for any more', async () => {
    await hold();
    void session.paths(packetType.remove, '/f');
    writeFileSync(join(node.filesRoot, 'alice/f'), 'kept');
    await delay(100);
    session.client.destroy();
    await delay(200);
    node.journal.send({ type: 'release' });
    const another = new RawSession(await node.rawChannel());
    assert.equal(await another.mkdir('/d'), statusCode.ok);
    assert.equal(readFileSync(join(node.filesRoot, 'alice/f'), 'utf8'), 'kept');
    another.client.destroy();
  });

  it('tells where open files are after renames of them and of what is above them', async () => {
    await session.mkdir('/d');
    await opened('/d/f');
    assert.equal(await session.paths(packetType.rename, '/d/f', '/d/g'), statusCode.ok);
    assert.equal(await session.paths(packetType.rename, '/d', '/e'), statusCode.ok);
    assert.deepEqual(pathsOf(await hold()), ['alice/e/g']);
  });

  it('tells that a file was removed, also when it has another name left', async () => {
    await opened('/gone');
    await opened('/one');
    assert.equal(await session.extended('hardlink@openssh.com', '/one', '/two'), statusCode.ok);
    for (const path of ['/gone', '/one'])
      assert.equal(await session.paths(packetType.remove, path), statusCode.ok);
    assert.deepEqual(pathsOf(await hold()), ['', '']);
  });

  it('names no file that took the place of an open one', async () => {
    await opened('/f');
    await session.close(await opened('/new'));
    assert.equal(await session.extended('posix-rename@openssh.com', '/new', '/f'), statusCode.ok);
    assert.deepEqual(pathsOf(await hold()), ['']);
  });
});

describe('a gate that is shut', { timeout: 60_000 }, () => {
  it('ends the journal: an upload that is cut leaves no operation after the hand-over', async () => {
    const node = new NodeFixture();
    await node.prepare();
    await node.start();
    await node.openGate(600_000);
    const session = new RawSession(await node.rawChannel());
    const handle = await session.open('/f', forWriting);
    assert.ok(handle !== null);
    await session.write(handle, 0, Buffer.from('text'));
    await node.send({ type: 'shut-gate' });
    await waitFor('the gate', () => node.messages.some(({ type }) => type === 'gate-shut'));
    const last = node.journal.operations.at(-1)?.sequence;
    assert.equal(await session.close(handle), statusCode.failure);
    session.client.destroy();
    await node.send({ type: 'stop' });
    await node.hasExited;
    assert.equal(node.journal.operations.at(-1)?.sequence, last);
    await node.dispose();
  });

  it('lets no acknowledgement out, of whatever waited for the standbys, and takes no change after', async (context) => {
    const node = new NodeFixture();
    context.after(() => node.dispose());
    await node.prepare();
    await node.start();
    await node.openGate(600_000);
    const [session, other] = [
      new RawSession(await node.rawChannel()),
      new RawSession(await node.rawChannel()),
    ];
    const handle = await session.open('/f', forWriting);
    assert.ok(handle !== null);
    node.journal.acknowledges = false;
    const answers: unknown[] = [];
    const sync = new FieldWriter().text('fsync@openssh.com').bytes(handle);
    const mode = new FieldWriter().bytes(handle).u32(attributeFlag.permissions).u32(0o600);
    for (const status of [
      session.status(packetType.fsetstat, mode),
      session.status(packetType.extended, sync),
      session.mkdir('/d'),
      session.paths(packetType.rename, '/f', '/g'),
      session.close(handle),
    ])
      void status.then((answer) => answers.push(answer));
    await waitFor('the close in the journal', () => node.journal.kinds().at(-1) === 'close');
    await node.send({ type: 'shut-gate' });
    await waitFor('the gate', () => node.messages.some(({ type }) => type === 'gate-shut'));
    node.journal.acknowledgeAll();
    await session.closed;
    assert.deepEqual(answers, []);
    const last = node.journal.operations.at(-1)?.sequence;
    const foreign = Buffer.from([0, 0, 0, 1]);
    assert.equal(await other.mkdir('/e'), statusCode.failure);
    assert.equal(await other.write(foreign, 0, Buffer.from('x')), statusCode.failure);
    assert.equal(
      await other.status(packetType.extended, new FieldWriter().text('fsync@openssh.com').bytes(foreign)),
      statusCode.failure,
    );
    assert.equal(node.journal.operations.at(-1)?.sequence, last);
  });
});
