import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import type { LabHost } from '../../lab/host.ts';
import { Lab } from '../../lab/lab.ts';

describe('settings that must be alike on every host', { timeout: 120_000 }, () => {
  let lab: Lab;
  let leader: LabHost;
  let changed: LabHost;
  let unchanged: LabHost;
  before(async () => {
    lab = await Lab.create();
    leader = await lab.start();
    [changed = assert.fail(), unchanged = assert.fail()] = lab.others(leader);
  });
  after(() => lab.dispose());

  function setPort(host: LabHost, port: number): void {
    const text = readFileSync(host.configFile, 'utf8');
    writeFileSync(host.configFile, text.replace(/sftp: \{ port: \d+ \}/, `sftp: { port: ${port} }`));
  }

  async function restartWithPort(host: LabHost, port: number): Promise<void> {
    await host.signalSupervisor('SIGTERM');
    setPort(host, port);
    host.startSupervisor();
  }

  const codesOf = async (host: LabHost) => (await host.status()).ineligible.map(({ code }) => code);
  const mayLead = (hosts: readonly LabHost[]) =>
    lab.wait('every host to be fit', async () => {
      for (const host of hosts) if ((await codesOf(host)).length > 0) return false;
      return true;
    });

  it('keep a host from leading that differs, which says how', async () => {
    await restartWithPort(changed, 2022);
    const sentence = `sftp.port is 2022 here and 2222 on ${leader.name}, which leads`;
    await lab.wait('the reason', async () => (await codesOf(changed)).includes('SETTINGS_DIFFER'));
    await lab.waitForService();
    for (const command of [['status'], ['why'], ['doctor']]) {
      const { text } = await changed.holdfast(...command);
      assert.match(text, new RegExp(`SETTINGS_DIFFER: .*${sentence}`), command[0]);
    }
    const refused = await leader.holdfast('switchover', '--to', changed.name, '--yes');
    assert.equal(refused.exitCode, 3);
    assert.match(refused.text, new RegExp(`TARGET_INELIGIBLE: .*${sentence}`));
  });

  it('keep it from leading when the leader dies, for another that does not differ', async () => {
    await leader.signalSupervisor('SIGKILL');
    await lab.waitForLeader([unchanged]);
    leader.startSupervisor();
    await lab.waitForService();
    assert.deepEqual(await codesOf(changed), ['SETTINGS_DIFFER']);
    [leader, unchanged] = [unchanged, leader];
  });

  it('are changed host by host: the service is moved to one that is changed by force, then the rest follows', async () => {
    const { exitCode, text } = await leader.holdfast('switchover', '--to', changed.name, '--force', '--yes');
    assert.equal(exitCode, 0, text);
    await lab.waitForLeader([changed]);
    await lab.wait('the others to differ now', async () =>
      (await codesOf(leader)).includes('SETTINGS_DIFFER'),
    );
    await restartWithPort(leader, 2022);
    await restartWithPort(unchanged, 2022);
    await lab.waitForService();
    await mayLead(lab.hosts);
  });

  it('are changed while every host is stopped, and keep nobody from leading then', async () => {
    for (const host of lab.others(changed)) await host.signalSupervisor('SIGTERM');
    await changed.signalSupervisor('SIGTERM');
    for (const host of lab.hosts) setPort(host, 2222);
    const [first = assert.fail(), ...rest] = lab.hosts;
    first.startSupervisor();
    await lab.wait('the first to wait for the others', async () => {
      const codes = await codesOf(first);
      return codes.includes('SETTINGS_DIFFER') || codes.includes('NOT_IN_SYNC');
    });
    for (const host of rest) host.startSupervisor();
    await lab.waitForService();
    await mayLead(lab.hosts);
  });
});
