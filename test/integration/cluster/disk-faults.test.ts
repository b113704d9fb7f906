import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { HistoryRecord } from '../../../supervisor/core/records/history.ts';
import type { LabDisk } from '../../lab/disk.ts';
import type { LabHost } from '../../lab/host.ts';
import { Lab } from '../../lab/lab.ts';
import { FailingFlush } from '../../lab/syscalls.ts';
import { waitFor } from '../../lab/wait.ts';

/** A container may have none. */
const skip = existsSync('/dev/loop-control') ? false : 'there are no loop devices here';

describe('a disk of the leader', { timeout: 240_000, skip }, () => {
  let lab: Lab;
  const disks = new Map<LabHost, LabDisk>();
  before(async () => {
    lab = await Lab.create({ settings: 'health: { minFreeMiB: 16 }' });
    for (const host of lab.hosts) disks.set(host, await lab.giveDisk(host, 96));
    await lab.start();
  });
  after(() => lab.dispose());

  const diskOf = (host: LabHost): LabDisk => disks.get(host) ?? assert.fail();
  const put = (name: string) => lab.client.sftp(lab.vipV4, `put /etc/hostname ${name}\n`);

  /** The leader, when every host may lead. */
  async function healthyLeader(): Promise<LabHost> {
    const leader = await lab.waitForService();
    await lab.wait('every host to be fit', async () => {
      for (const { node, ineligible } of (await leader.status()).hosts) {
        const [reason] = ineligible;
        if (reason !== undefined) throw new Error(`${node}: ${reason.code}: ${reason.sentence}`);
      }
      return true;
    });
    return leader;
  }

  async function whyItMoved(successor: LabHost): Promise<string | undefined> {
    const record = await lab.wait('the history of the move', async () => {
      const { text } = await successor.holdfast('history', '--json');
      const last = (JSON.parse(text) as HistoryRecord[]).at(-1);
      return last?.node === successor.name ? last : null;
    });
    return record.cause.code;
  }

  async function assertEverywhere(...names: string[]): Promise<void> {
    for (const host of lab.hosts) {
      for (const name of names) {
        assert.ok(existsSync(join(host.filesRoot, 'alice', name)), `${name} on ${host.name}`);
      }
    }
  }

  it('that is full moves the service to a host that has space', async () => {
    const leader = await healthyLeader();
    await put('before-full');
    await diskOf(leader).fill();
    writeFileSync(join(lab.client.folder, 'large'), randomBytes(4_000_000));
    await assert.rejects(lab.client.sftp(lab.vipV4, 'put large\n'), /Failure/);
    const successor = await lab.waitForLeader(lab.others(leader));
    assert.equal(await whyItMoved(successor), 'DISK_LOW');
    await put('while-full');
    const { hosts } = await successor.status();
    const reasons = hosts.find(({ node }) => node === leader.name)?.ineligible ?? [];
    assert.ok(reasons.some(({ code }) => code === 'DISK_LOW'));
    diskOf(leader).free();
    await healthyLeader();
    await assertEverywhere('before-full', 'while-full');
  });

  it('that is write-protected moves the service', async () => {
    const leader = await healthyLeader();
    await put('before-read-only');
    // The kernel takes it only while nobody has a file open for writing.
    await waitFor('the disk to be write-protected', () =>
      diskOf(leader)
        .writeProtect(true)
        .then(
          () => true,
          () => false,
        ),
    );
    const successor = await lab.waitForLeader(lab.others(leader));
    assert.equal(await whyItMoved(successor), 'ROOT_UNUSABLE');
    await put('while-read-only');
    await diskOf(leader).writeProtect(false);
    await healthyLeader();
    await assertEverywhere('before-read-only', 'while-read-only');
  });

  it('of a standby that is full moves nothing: it leaves the in-sync set, and catches up when there is space', async () => {
    const leader = await healthyLeader();
    const { epoch } = await leader.status();
    const [standby] = lab.others(leader);
    assert.ok(standby);
    await diskOf(standby).fill();
    writeFileSync(join(lab.client.folder, 'larger'), randomBytes(4_000_000));
    await lab.client.sftp(lab.vipV4, 'put larger\n');
    await lab.wait(
      'it to be out of the set',
      async () => !(await leader.status()).inSync.includes(standby.name),
    );
    diskOf(standby).free();
    await healthyLeader();
    assert.equal((await leader.status()).epoch, epoch);
    await assertEverywhere('larger');
  });

  it('that loses what was written to a file moves the service, and the file is fetched anew (P6)', async () => {
    const leader = await healthyLeader();
    await put('goes-bad');
    const bad = join(leader.filesRoot, 'alice', 'goes-bad');
    const before = madeAt(bad);
    const { processes } = await leader.status();
    {
      await using _ = await FailingFlush.on(processes.replicator ?? assert.fail(), bad);
      await assert.rejects(put('goes-bad'), 'a CLOSE whose flush fails is not acknowledged');
    }
    const successor = await lab.waitForLeader(lab.others(leader));
    assert.equal(await whyItMoved(successor), 'FLUSH_FAILED');
    await put('after-the-loss');
    await healthyLeader();
    assert.notEqual(madeAt(bad), before, 'another file');
    assert.ok(readFileSync(bad).equals(readFileSync(join(successor.filesRoot, 'alice', 'goes-bad'))));
    await assertEverywhere('after-the-loss');
  });

  it('of a standby that loses what was written to a file moves nothing: the file is fetched anew (P6)', async () => {
    const leader = await healthyLeader();
    const { epoch } = await leader.status();
    const [standby] = lab.others(leader);
    assert.ok(standby);
    await put('goes-bad-there');
    const bad = join(standby.filesRoot, 'alice', 'goes-bad-there');
    const before = madeAt(bad);
    const { processes } = await standby.status();
    {
      await using _ = await FailingFlush.on(processes.replicator ?? assert.fail(), bad);
      await put('goes-bad-there');
    }
    await lab.wait('another file in its place', async () => ![null, before].includes(madeAt(bad)));
    await healthyLeader();
    assert.equal((await leader.status()).epoch, epoch);
    const hostname = readFileSync('/etc/hostname');
    assert.ok(readFileSync(bad).equals(hostname));
  });

  it('that stands still moves the service, though the storage engine cannot even be killed', async () => {
    const leader = await healthyLeader();
    await put('before-frozen');
    const { epoch, processes } = await leader.status();
    await diskOf(leader).freeze();
    const hanging = lab.client.spawnSftp(lab.vipV4, 'put /etc/hostname in-the-middle\n');
    try {
      const successor = await lab.waitForLeader(lab.others(leader), 40_000);
      assert.ok((await successor.status()).epoch > epoch);
      assert.ok(existsSync(`/proc/${processes.replicator}`), 'its engine waits for the disk');
      assert.ok(!(await leader.network.addresses()).includes(lab.vipV4));
      await put('while-frozen');
      const { ineligible } = await leader.status();
      assert.ok(ineligible.some(({ code }) => code === 'ENGINE_SILENT'));
    } finally {
      await diskOf(leader).thaw();
      hanging.kill('SIGKILL');
      await hanging;
    }
    await healthyLeader();
    await assertEverywhere('before-frozen', 'while-frozen');
  });
});

/** Inodes are used again. */
function madeAt(path: string): bigint | null {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.birthtimeNs ?? null;
}
