import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { LabHost } from '../../lab/host.ts';
import { Lab } from '../../lab/lab.ts';

const hour = 3600;
/** Longer than a lease: whatever a step does to it shows. */
const leaseIsOverMs = 4000;

describe('a wall clock that is stepped', { timeout: 180_000 }, () => {
  let lab: Lab;
  before(async () => {
    lab = await Lab.create();
    for (const host of lab.hosts) host.useOwnWallClock();
    await lab.start();
  });
  after(() => lab.dispose());

  function step(hosts: readonly LabHost[], seconds: number): void {
    for (const host of hosts) host.useOwnWallClock().step(seconds);
  }

  /** What a host tells of the time. */
  async function toldTime(host: LabHost): Promise<number> {
    const { text } = await host.holdfast('history', '--json');
    return Date.parse(JSON.parse(text).at(-1).at);
  }

  for (const [who, seconds] of [
    ['leader', hour],
    ['leader', -hour],
    ['standby', hour],
    ['standby', -hour],
  ] as const) {
    it(`by ${seconds / hour} h on the ${who} moves nothing`, async () => {
      const leader = await lab.waitForService();
      const { epoch } = await leader.status();
      const stepped = who === 'leader' ? leader : lab.others(leader)[0];
      step(stepped ? [stepped] : [], seconds);
      await lab.client.sftp(lab.vipV4, 'put /etc/hostname at-once\n');
      await delay(leaseIsOverMs);
      const status = await leader.status();
      assert.deepEqual([status.phase, status.epoch], ['leading', epoch]);
      await lab.client.sftp(lab.vipV4, 'put /etc/hostname later\nget at-once back\n');
      await lab.waitForService();
      step(lab.hosts, 0);
    });
  }

  it('on the leader hinders no switchover', async () => {
    const leader = await lab.waitForService();
    step([leader], hour);
    const began = Date.now();
    const moved = await leader.holdfast('switchover', '--yes');
    assert.equal(moved.exitCode, 0, moved.text);
    const successor = await lab.waitForService();
    assert.notEqual(successor.name, leader.name);
    step([successor], -hour);
    const back = await successor.holdfast('switchover', '--to', leader.name, '--yes');
    assert.equal(back.exitCode, 0, back.text);
    await lab.waitForService();
    // The clocks were really off: the record is by the leader's, which is an hour ahead.
    assert.ok((await toldTime(leader)) - began > (hour - 60) * 1000);
    step(lab.hosts, 0);
  });

  for (const seconds of [hour, -hour]) {
    it(`by ${seconds / hour} h on the host that is asked hinders no switchover`, async () => {
      const leader = await lab.waitForService();
      const [asked] = lab.others(leader);
      assert.ok(asked);
      step([asked], seconds);
      const moved = await asked.holdfast('switchover', '--to', asked.name, '--yes');
      assert.equal(moved.exitCode, 0, moved.text);
      await lab.waitForService();
      step(lab.hosts, 0);
    });
  }

  it('by -1 h on the host that is asked hinders no failover', async () => {
    const leader = await lab.waitForService();
    const [asked, target] = lab.others(leader);
    if (asked === undefined || target === undefined) return assert.fail();
    await asked.holdfast('pause');
    await lab.wait('the pause to be known', async () => (await target.status()).paused !== null);
    await leader.signalSupervisor('SIGKILL');
    await lab.wait('nobody to lead', async () => (await asked.status()).leader === null);
    step([asked], -hour);
    const done = await asked.holdfast('failover', '--to', target.name, '--yes');
    assert.match(done.text, /done: TAKEN_OVER/);
    step(lab.hosts, 0);
    await asked.holdfast('resume');
    leader.startSupervisor();
    await lab.waitForService();
  });

  it('hinders no takeover from a leader that died', async () => {
    const leader = await lab.waitForService();
    step(lab.others(leader), -hour);
    await leader.signalSupervisor('SIGKILL');
    const successor = await lab.waitForLeader(lab.others(leader));
    step([successor], hour);
    await lab.client.sftp(lab.vipV4, 'put /etc/hostname last\n');
    leader.startSupervisor();
    await lab.waitForService();
  });
});
