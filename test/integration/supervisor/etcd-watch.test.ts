import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { execa } from 'execa';
import { EtcdClient } from '../../../supervisor/adapters/etcd/client.ts';
import { EtcdStore } from '../../../supervisor/adapters/etcd/store.ts';
import { systemClock } from '../../../supervisor/adapters/kernel/system-clock.ts';
import type { Config } from '../../../supervisor/config/schema.ts';
import { waitFor } from '../../lab/wait.ts';
import { CuttableProxy } from '../replicator/support/cuttable-proxy.ts';

/** The watch alone: nothing here reads in a loop, as a supervisor would. */
describe('the watch of an etcd member', { timeout: 60_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
  let etcd: ReturnType<typeof spawnEtcd>;
  let clientPort: number;
  let peerPort: number;
  let proxy: CuttableProxy;
  let store: EtcdStore;
  let changes = 0;

  before(async () => {
    [clientPort, peerPort] = [await freePort(), await freePort()];
    await startEtcd();
    proxy = await CuttableProxy.to(clientPort);
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
    await stopEtcd();
    rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(() => tellsChanges());

  const etcdctl = async (...args: string[]) => {
    const env = { ETCDCTL_API: '3', ETCDCTL_ENDPOINTS: `http://127.0.0.1:${clientPort}` };
    return (await execa('etcdctl', args, { env })).stdout;
  };
  const change = () => etcdctl('put', '/holdfast/test/paused', `${changes} is no pause`);

  /** Waits until a change is told, which takes more than one try while nothing is connected yet. */
  async function tellsChanges(): Promise<void> {
    await waitFor('a change to be told', async () => {
      const before = changes;
      await change();
      return waitFor('it', async () => changes > before, { limitMs: 200 }).catch(() => false);
    });
  }

  async function startEtcd(): Promise<void> {
    const [client, peer] = [`http://127.0.0.1:${clientPort}`, `http://127.0.0.1:${peerPort}`];
    etcd = spawnEtcd([
      ...['--data-dir', join(folder, 'data'), '--name', 'one', '--log-level', 'error', '--logger', 'zap'],
      ...['--listen-client-urls', client, '--advertise-client-urls', client],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
      ...['--initial-cluster', `one=${peer}`],
    ]);
    await waitFor('etcd to answer', () => etcdctl('endpoint', 'health').catch(() => null));
  }

  async function stopEtcd(): Promise<void> {
    etcd.kill('SIGTERM');
    await etcd;
  }

  it('goes on when the connection was cut', async () => {
    proxy.cut();
    await tellsChanges();
  });

  it('goes on when what it missed was compacted', async () => {
    proxy.isDown = true;
    proxy.cut();
    for (let count = 0; count < 5; count++) await change();
    const status = JSON.parse(await etcdctl('endpoint', 'status', '-w', 'json'));
    await etcdctl('compact', String(status[0].Status.header.revision));
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
    await stopEtcd();
    cpSync(join(folder, 'data'), join(folder, 'older'), { recursive: true });
    await startEtcd();
    for (let count = 0; count < 50; count++) await change();
    await tellsChanges();
    await stopEtcd();
    rmSync(join(folder, 'data'), { recursive: true });
    cpSync(join(folder, 'older'), join(folder, 'data'), { recursive: true });
    await startEtcd();
    await tellsChanges();
  });
});

function spawnEtcd(args: readonly string[]) {
  return execa('etcd', args, { reject: false, stdio: 'ignore' });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  assert.ok(typeof address === 'object' && address !== null);
  return address.port;
}
