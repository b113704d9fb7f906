import { after, before, beforeEach, describe, it } from 'node:test';
import { EtcdClient } from '../../../supervisor/adapters/etcd/client.ts';
import { EtcdStore } from '../../../supervisor/adapters/etcd/store.ts';
import { systemClock } from '../../../supervisor/adapters/kernel/system-clock.ts';
import type { Config } from '../../../supervisor/config/schema.ts';
import { waitFor } from '../../lab/wait.ts';
import { CuttableProxy } from '../replicator/support/cuttable-proxy.ts';
import { OneEtcd } from './support/one-etcd.ts';

/** The watch alone: nothing here reads in a loop, as a supervisor would. */
describe('the watch of an etcd member', { timeout: 60_000 }, () => {
  let etcd: OneEtcd;
  let proxy: CuttableProxy;
  let store: EtcdStore;
  let changes = 0;

  before(async () => {
    etcd = await OneEtcd.start();
    proxy = await CuttableProxy.to(etcd.port);
    const config = {
      cluster: 'test',
      etcd: { endpoints: [`http://127.0.0.1:${proxy.port}`] },
      lease: { ttl: 5000, renewEvery: 500, margin: 500 },
    } as unknown as Config;
    store = new EtcdStore(new EtcdClient(config, systemClock), config);
    store.watch({ onChange: () => changes++, onLeader: () => {} });
    await tellsChanges();
  });
  after(async () => {
    store.close();
    proxy.close();
    await etcd.dispose();
  });
  beforeEach(() => tellsChanges());

  const change = () => etcd.ctl('put', '/holdfast/test/paused', `${changes} is no pause`);

  /** Waits until a change is told, which takes more than one try while nothing is connected yet. */
  async function tellsChanges(): Promise<void> {
    await waitFor('a change to be told', async () => {
      const before = changes;
      await change();
      return waitFor('it', async () => changes > before, { limitMs: 200 }).catch(() => false);
    });
  }

  it('goes on when the connection was cut', async () => {
    proxy.cut();
    await tellsChanges();
  });

  it('goes on when the connection is dead, though nobody closed it', async () => {
    proxy.stall();
    await tellsChanges();
  });

  it('goes on when a connection was being made as the line went dead', async () => {
    proxy.isMute = true;
    proxy.cut();
    await proxy.connected();
    proxy.isMute = false;
    await tellsChanges();
  });

  it('goes on when what it missed was compacted', async () => {
    proxy.isDown = true;
    proxy.cut();
    for (let count = 0; count < 5; count++) await change();
    const status = JSON.parse(await etcd.ctl('endpoint', 'status', '-w', 'json'));
    await etcd.ctl('compact', String(status[0].Status.header.revision));
    proxy.isDown = false;
    await tellsChanges();
  });

  it('tells a change that it missed', async () => {
    proxy.isDown = true;
    proxy.cut();
    const before = changes;
    await change();
    proxy.isDown = false;
    await waitFor('it to be told', async () => changes > before);
  });

  it('goes on when etcd went back to older data', async () => {
    await etcd.stop();
    etcd.keepData();
    await etcd.start();
    for (let count = 0; count < 50; count++) await change();
    await tellsChanges();
    await etcd.stop();
    etcd.putDataBack();
    await etcd.start();
    await tellsChanges();
  });
});
