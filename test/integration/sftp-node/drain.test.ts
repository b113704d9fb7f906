/** A planned move: transfers may end, everybody is served meanwhile, and at last nothing begins. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { FromSftpNode } from '#contracts/ipc/sftp-node.ts';
import { openFlag } from '../../../sftp-node/sftp/protocol.ts';
import { waitFor } from '../../lab/wait.ts';
import { NodeFixture } from './fixture.ts';
import { RawSession, statusCode } from './raw-session.ts';

const forWriting = openFlag.write | openFlag.create;

describe('a drain', { timeout: 60_000 }, () => {
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

  const drained = () =>
    node.messages.find(
      (message): message is Extract<FromSftpNode, { type: 'drained' }> => message.type === 'drained',
    );
  const isRefused = async () => (await node.sftp('pwd\n')).exitCode !== 0;

  it('waits for the transfers that run, serves everybody meanwhile, and shuts the gate', async () => {
    const handle = await session.open('/f', forWriting);
    assert.ok(handle !== null);
    await node.send({ type: 'drain', limitMs: 30_000 });
    await delay(100);
    assert.equal(await isRefused(), false);
    assert.equal(await session.write(handle, 0, Buffer.from('text')), statusCode.ok);
    assert.equal(drained(), undefined);
    assert.equal(await session.close(handle), statusCode.ok);
    const { cutTransfers } = await waitFor('drained', drained);
    assert.equal(cutTransfers, 0);
    assert.equal(await isRefused(), true);
    // A permit that was on its way opens nothing.
    await node.openGate(700_000);
    assert.notEqual(await session.mkdir('/late'), statusCode.ok);
  });

  it('takes nobody new at last, while what began during the drain ends', async () => {
    const first = await session.open('/f', forWriting);
    await node.send({ type: 'drain', limitMs: 30_000 });
    await delay(100);
    const second = await session.open('/g', forWriting);
    assert.ok(first !== null && second !== null);
    assert.equal(await session.close(first), statusCode.ok);
    await waitFor('newcomers to be refused', isRefused);
    // The lease is renewed meanwhile: that lets nobody in again.
    await node.openGate(700_000);
    assert.equal(await isRefused(), true);
    assert.equal(drained(), undefined);
    assert.equal(await session.write(second, 0, Buffer.from('text')), statusCode.ok);
    assert.equal(await session.close(second), statusCode.ok);
    assert.equal((await waitFor('drained', drained)).cutTransfers, 0);
  });

  it('lets the last transfer have its answer, however long its copies take', async () => {
    const handle = await session.open('/f', forWriting);
    assert.ok(handle !== null);
    await node.send({ type: 'drain', limitMs: 30_000 });
    node.engine.acknowledges = false;
    const closing = session.close(handle);
    await delay(150);
    assert.equal(drained(), undefined);
    node.engine.acknowledgeAll();
    assert.equal(await closing, statusCode.ok);
    assert.equal((await waitFor('drained', drained)).cutTransfers, 0);
  });

  it('cuts what lasts longer than the limit, and says how much', async () => {
    assert.notEqual(await session.open('/f', forWriting), null);
    await node.send({ type: 'drain', limitMs: 200 });
    assert.equal((await waitFor('drained', drained)).cutTransfers, 1);
  });

  it('lets an idle session begin nothing, and go on when it is called off', async () => {
    const other = new RawSession(await node.rawChannel());
    const first = await session.open('/f', forWriting);
    assert.ok(first !== null);
    await node.send({ type: 'drain', limitMs: 30_000 });
    await delay(100);
    assert.notEqual(await session.open('/e', forWriting), null);
    assert.equal(await session.close(first), statusCode.ok);
    await waitFor('newcomers to be refused', isRefused);
    let opened = false;
    const opening = other.open('/g', forWriting).then((handle) => {
      opened = true;
      return handle;
    });
    assert.notEqual(
      await session.open('/h', forWriting),
      null,
      'a session in the middle of transfers goes on',
    );
    await delay(200);
    assert.equal(opened, false);
    await node.send({ type: 'resume' });
    assert.notEqual(await opening, null);
    assert.equal(await isRefused(), false);
    await delay(100);
    assert.equal(drained(), undefined, 'a drain that was called off shuts no gate');
    assert.equal(await session.mkdir('/d'), statusCode.ok);
    other.client.destroy();
  });

  it('is taken back after it has shut the gate, with a new permit', async () => {
    await node.send({ type: 'drain', limitMs: 0 });
    await waitFor('drained', drained);
    const before = node.messages.length;
    await node.send({ type: 'resume' });
    await waitFor('listening', () => node.messages.slice(before).find(({ type }) => type === 'listening'));
    assert.notEqual(await session.mkdir('/d'), statusCode.ok, 'not before the gate is opened again');
    await node.openGate(700_000);
    assert.equal(await session.mkdir('/d'), statusCode.ok);
    assert.equal(await isRefused(), false);
  });
});
