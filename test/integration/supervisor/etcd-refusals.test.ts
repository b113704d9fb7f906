import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { addUser, node, StoredCluster } from './support/etcd-stores.ts';
import { OneEtcd } from './support/one-etcd.ts';

/** That etcd says no is told as such, by a real one. */
describe('an etcd that asks for a user', { timeout: 60_000 }, () => {
  let etcd: OneEtcd;
  let cluster: StoredCluster;
  before(async () => {
    etcd = await OneEtcd.start();
    cluster = new StoredCluster(etcd);
    await addUser(etcd, 'holdfast', 'secret', `/holdfast/${cluster.name}/`);
    await addUser(etcd, 'stranger', 'secret', '/elsewhere/');
    await etcd.ctl('user', 'add', 'root:root');
    await etcd.ctl('user', 'grant-role', 'root', 'root');
    await etcd.ctl('auth', 'enable');
    etcd.user = 'root:root';
  });
  after(async () => {
    cluster.close();
    await etcd.dispose();
  });

  function storeOf(username: string, password: string) {
    const passwordFile = join(etcd.folder, `${username}-${password}`);
    writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
    return cluster.open({ etcd: { username, passwordFile } });
  }

  it('lets in who may', async () => {
    const store = storeOf('holdfast', 'secret');
    const { leaseId } = await store.grantLease();
    await store.publishNode(node('a'), leaseId);
    assert.equal((await store.read()).nodes.length, 1);
  });

  it('denies what the user may not, though it has a lease', async () => {
    const store = storeOf('stranger', 'secret');
    const { leaseId } = await store.grantLease();
    const told = { code: 'ETCD_PERMISSION_DENIED', message: new RegExp(etcd.url) };
    await assert.rejects(store.read(), told);
    await assert.rejects(store.publishNode(node('a'), leaseId), told);
  });

  it('refuses a wrong password, and who has none', async () => {
    await assert.rejects(storeOf('holdfast', 'wrong').grantLease(), { code: 'ETCD_AUTH_FAILED' });
    await assert.rejects(cluster.open().read(), { code: 'ETCD_AUTH_FAILED' });
  });
});

describe('an etcd that asks for no user', { timeout: 60_000 }, () => {
  it('is told to one who has one', async () => {
    const etcd = await OneEtcd.start();
    const cluster = new StoredCluster(etcd);
    try {
      const passwordFile = join(etcd.folder, 'password');
      writeFileSync(passwordFile, 'secret\n');
      const store = cluster.open({ etcd: { username: 'holdfast', passwordFile } });
      await assert.rejects(store.grantLease(), { code: 'ETCD_AUTH_FAILED', message: /not enabled/ });
    } finally {
      cluster.close();
      await etcd.dispose();
    }
  });

  it('says that it is full', async () => {
    const etcd = await OneEtcd.start(['--quota-backend-bytes', String(64 * 1024)]);
    const cluster = new StoredCluster(etcd);
    try {
      const store = cluster.open();
      await assert.rejects(
        async () => {
          // Etcd looks at what lies on its disk, where it brings what was written ten times a second.
          for (let count = 0; count < 5000; count++) await store.publishPeer(peer(count));
        },
        { code: 'ETCD_NO_SPACE' },
      );
      await assert.rejects(store.grantLease(), { code: 'ETCD_NO_SPACE' });
    } finally {
      cluster.close();
      await etcd.dispose();
    }
  });

  it('says that it grants another TTL', async () => {
    const etcd = await OneEtcd.start(['--heartbeat-interval', '500', '--election-timeout', '5000']);
    const cluster = new StoredCluster(etcd);
    try {
      const store = cluster.open();
      await assert.rejects(store.grantLease(), { code: 'ETCD_TTL_REFUSED', message: /grants 8 s.* 5 s/ });
    } finally {
      cluster.close();
      await etcd.dispose();
    }
  });
});

const peer = (count: number) => ({
  node: 'a',
  address: '10.0.0.1',
  port: 7420,
  publicKey: String(count).padEnd(4000, '-'),
});
