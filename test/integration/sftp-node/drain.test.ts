/** A planned move: transfers may end, nothing begins. */
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

  it('waits for running transfers, takes nobody new, and shuts the gate', async () => {
    const handle = await session.open('/f', forWriting);
    assert.ok(handle !== null);
    await node.send({ type: 'drain', limitMs: 30_000 });
    await waitFor('newcomers to be refused', isRefused);
    // The lease is renewed meanwhile: that lets nobody in again.
    await node.openGate(700_000);
    assert.equal(await isRefused(), true);
    assert.equal(await session.write(handle, 0, Buffer.from('text')), statusCode.ok);
    assert.equal(drained(), undefined);
    assert.equal(await session.close(handle), statusCode.ok);
    const { cutTransfers, sequence } = await waitFor('drained', drained);
    assert.equal(cutTransfers, 0);
    assert.equal(sequence, node.journal.operations.at(-1)?.sequence);
    assert.notEqual(await session.mkdir('/late'), statusCode.ok);
  });

  it('cuts what lasts longer than the limit, and says how much', async () => {
    assert.notEqual(await session.open('/f', forWriting), null);
    await node.send({ type: 'drain', limitMs: 200 });
    assert.equal((await waitFor('drained', drained)).cutTransfers, 1);
  });

  it('lets an idle session begin nothing, and go on when it is called off', async () => {
    const other = new RawSession(await node.rawChannel());
    assert.notEqual(await session.open('/f', forWriting), null);
    await node.send({ type: 'drain', limitMs: 30_000 });
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
});
