import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { Lab } from '../../lab/lab.ts';

describe('a host whose watchdog cannot be used', { timeout: 90_000 }, () => {
  let lab: Lab;
  before(async () => {
    lab = await Lab.create({ settings: 'watchdog: { mode: required, device: /dev/no-such-watchdog }' });
    for (const host of lab.hosts) host.startEtcd();
    for (const host of lab.hosts) host.startSupervisor();
  });
  after(() => lab.dispose());

  it('does not lead where it is required, and says why', async () => {
    const host = lab.host('a');
    const status = await lab.wait('the reason', async () => {
      const told = await host.status();
      return told.ineligible.some(({ code }) => code === 'WATCHDOG_UNUSABLE') ? told : null;
    });
    assert.equal(status.leader, null);
    const { text } = await host.holdfast('why', 'a');
    assert.match(text, /WATCHDOG_UNUSABLE: \/dev\/no-such-watchdog cannot be used: ENOENT/);
  });

  it('leads where it is only wished for', async () => {
    const host = lab.host('b');
    await host.signalSupervisor('SIGTERM');
    const text = readFileSync(host.configFile, 'utf8');
    writeFileSync(host.configFile, text.replace('mode: required', 'mode: automatic'));
    host.startSupervisor();
    await lab.waitForLeader([host]);
    await lab.client.sftp(lab.vipV4, 'put /etc/hostname kept\n');
  });
});
