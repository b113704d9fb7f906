import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Lab } from '../../lab/lab.ts';

describe('an etcd that is full', { timeout: 120_000 }, () => {
  let lab: Lab;
  before(async () => {
    lab = await Lab.create({ etcdQuotaBytes: 2 * 2 ** 20 });
    await lab.start();
  });
  after(() => lab.dispose());

  it('lets the leader go on, is told with the way out, and takes writes again after it', async () => {
    const leader = await lab.waitForService();
    const value = 'x'.repeat(100_000);
    await lab.wait('etcd to be full', async () => {
      const put = await leader.etcdctl('put', 'somebody/else', value).catch(String);
      return /database space exceeded/.test(put);
    });
    await lab.client.sftp(lab.vipV4, 'put /etc/hostname all-the-same\n');
    const told = await leader.holdfast('doctor');
    assert.equal(told.exitCode, 1);
    assert.match(told.text, /ETCD_ALARM: .* refuses writes: .*NOSPACE/);
    assert.match(told.text, /etcdctl alarm disarm/);
    await lab.wait('status to tell it as well', async () => {
      return (await leader.status()).health.some(({ code }) => code === 'ETCD_ALARM');
    });

    const revision = /"revision":(\d+)/.exec(await leader.etcdctl('endpoint', 'status', '-w', 'json'))?.[1];
    await leader.etcdctl('compact', revision ?? '');
    for (const host of lab.hosts) await host.etcdctl('defrag');
    await leader.etcdctl('alarm', 'disarm');
    const moved = await leader.holdfast('switchover', '--yes');
    assert.equal(moved.exitCode, 0, moved.text);
    await lab.waitForService();
    assert.doesNotMatch((await leader.holdfast('doctor')).text, /ETCD_ALARM/);
  });
});
