import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Lab } from '../../lab/lab.ts';

/** Each is a line of the log: together more than a pipe or a socket holds. */
const uploads = 400;

describe('a log that nobody reads any more', { timeout: 120_000 }, () => {
  let lab: Lab;
  before(async () => {
    lab = await Lab.create();
  });
  after(() => lab.dispose());

  it('does not hold up the service', async () => {
    const readers = new Map<string, (signal: NodeJS.Signals) => void>();
    for (const host of lab.hosts) readers.set(host.name, await host.readLogByCat());
    const leader = await lab.start();
    const { epoch } = await leader.status();
    const signalReader = readers.get(leader.name) ?? assert.fail();
    signalReader('SIGSTOP');
    await lab.client.sftp(lab.vipV4, 'put /etc/hostname again\n'.repeat(uploads));
    const status = await leader.status();
    assert.deepEqual([status.phase, status.epoch], ['leading', epoch]);
    assert.ok(leader.log().split('"upload"').length < uploads, 'the reader was stopped');
    signalReader('SIGCONT');
    await lab.wait('every line to be there', async () => leader.log().split('"upload"').length > uploads);
  });
});
