import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { HistoryRecord } from '../../../supervisor/core/records/history.ts';
import type { LabHost } from '../../lab/host.ts';
import { Lab } from '../../lab/lab.ts';

describe('the history tells apart why another host had to take over', { timeout: 180_000 }, () => {
  let lab: Lab;
  before(async () => {
    lab = await Lab.create();
    await lab.start();
  });
  after(() => lab.dispose());

  /** The record of who followed on `host` at `epoch`, once its cause is `code`. */
  function told(host: LabHost, epoch: number, code: string): Promise<HistoryRecord> {
    return lab.wait(`the history to say ${code}`, async () => {
      const { text } = await host.holdfast('history', '--json');
      const record = (JSON.parse(text) as HistoryRecord[]).find(({ from }) => from?.epoch === epoch);
      if (record !== undefined && record.cause.code !== code) throw new Error(JSON.stringify(record));
      return record;
    });
  }

  async function leaderAndEpoch(): Promise<[LabHost, number]> {
    const leader = await lab.waitForService();
    return [leader, (await leader.status()).epoch];
  }

  it('its supervisor died', async () => {
    const [leader, epoch] = await leaderAndEpoch();
    await leader.signalSupervisor('SIGKILL');
    await lab.waitForLeader(lab.others(leader));
    leader.startSupervisor();
    const { outageMs } = await told(leader, epoch, 'SUPERVISOR_DIED');
    assert.ok(outageMs !== null && outageMs > 0);
  });

  it('its supervisor stood still', async () => {
    const [leader, epoch] = await leaderAndEpoch();
    await leader.signalSupervisor('SIGSTOP');
    await lab.waitForLeader(lab.others(leader));
    await leader.signalSupervisor('SIGCONT');
    await told(leader, epoch, 'SUPERVISOR_FROZEN');
  });

  it('it was cut off from etcd', async () => {
    const [leader, epoch] = await leaderAndEpoch();
    const everybody = lab.hosts.map((host) => host.network);
    await leader.network.cut(everybody, 'both', [2379, 2380]);
    await lab.waitForLeader(lab.others(leader));
    await leader.network.heal();
    await told(leader, epoch, 'ETCD_CUT_OFF');
  });

  it('an operator rehearsed it', async () => {
    const [leader, epoch] = await leaderAndEpoch();
    const { text, exitCode } = await leader.holdfast('switchover', '--drill', '--yes');
    assert.equal(exitCode, 0, text);
    await told(leader, epoch, 'DRILL');
  });
});
