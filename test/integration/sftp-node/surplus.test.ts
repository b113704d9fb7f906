/** Every request with bytes after its last field, at the real node: as Go's client library sends them. */
import assert from 'node:assert/strict';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { everyRequest, prepare } from '../../unit/sftp-node/requests.ts';
import { NodeFixture } from './fixture.ts';
import { packetType, RawSession, statusCode } from './raw-session.ts';

describe('bytes after the last field', { timeout: 60_000 }, () => {
  let node: NodeFixture;
  before(async () => {
    node = new NodeFixture();
    await node.prepare();
    await node.start();
    await node.openGate(600_000);
  });
  after(() => node.dispose());

  for (const { name, type, fields, reply } of everyRequest) {
    it(`of ${name} are passed over, few or many`, async () => {
      const home = join(node.filesRoot, 'alice');
      for (const surplus of [1, 28_697, 200_000]) {
        rmSync(home, { recursive: true, force: true });
        mkdirSync(home);
        prepare(home);
        // The home is another one now.
        const session = new RawSession(await node.rawChannel());
        const answer = await session.request(
          type,
          (await fields({ raw: session })).raw(Buffer.alloc(surplus)),
        );
        assert.equal(answer.type, reply ?? packetType.status);
        if (reply === undefined) assert.equal(answer.fields.u32(), statusCode.ok);
        session.client.destroy();
      }
    });
  }

  it('of one request do no harm to those of other sessions', async () => {
    assert.equal((await node.sftp('ls\n')).exitCode, 0);
  });
});
