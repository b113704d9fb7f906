import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import pino from 'pino';
import { identityOf, isRunning } from '../../../../supervisor/adapters/process/identity.ts';
import { FileRunState } from '../../../../supervisor/adapters/process/run-state.ts';
import { endEarlierRun } from '../../../../supervisor/release/cleanup.ts';
import type {
  ClusterStore,
  InterfaceAddress,
  RunSettings,
  VirtualIps,
} from '../../../../supervisor/runtime/ports.ts';

const log = pino({ level: 'silent' });

describe('the cleanup after a supervisor that died', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function parts(
    options: { vipFails?: boolean; onAbsent?: () => void } = {},
    settings: RunSettings | null = null,
  ) {
    const done: string[] = [];
    const vips = {
      absent: async (others: readonly InterfaceAddress[] = []) => {
        if (options.vipFails) throw new Error('no');
        options.onAbsent?.();
        await delay(20);
        done.push(['vip', ...others.map(({ address }) => address)].join(' '));
      },
    } as VirtualIps;
    const store = async () =>
      ({ revokeLease: async (id: string) => void done.push(`lease ${id}`) }) as ClusterStore;
    const watchdog = { stopOrphan: () => void done.push('watchdog') };
    return { done, runState: new FileRunState(folder, settings), vips, store, watchdog, log };
  }

  it('kills the SFTP node, takes the address off, then gives up the lease, and stops the watchdog last', async () => {
    const child = spawn('sleep', ['60'], { stdio: 'ignore' });
    const node = identityOf(child.pid ?? assert.fail()) ?? assert.fail();
    let ranWhenAddressWentOff = true;
    const { done, ...rest } = parts({
      onAbsent: () => {
        ranWhenAddressWentOff = isRunning(node);
      },
    });
    rest.runState.remember({ leaseId: '77' });
    rest.runState.remember({ sftpNode: node });
    // A zombie is still listed until its parent, this process, has waited for it.
    const exited = new Promise((resolve) => child.on('exit', resolve));
    assert.equal(await endEarlierRun(rest), true);
    await exited;
    assert.equal(ranWhenAddressWentOff, false);
    assert.deepEqual(done, ['vip', 'lease 77', 'watchdog']);
    assert.deepEqual(rest.runState.recall(), { leaseId: null, sftpNode: null, settings: null });
  });

  it('keeps the lease, and the watchdog running, while the address may be on', async () => {
    const { done, ...rest } = parts({ vipFails: true });
    rest.runState.remember({ leaseId: '77' });
    assert.equal(await endEarlierRun(rest), false);
    assert.deepEqual(done, []);
    assert.equal(rest.runState.recall().leaseId, '77');
  });

  it('takes off what the run had put on, whatever holdfast.yaml says by now', async () => {
    const vips = [{ address: '10.0.0.7', prefixLength: 24, interface: 'eth0' }];
    const settings = { node: 'a', vips, watchdog: null, etcd: { endpoints: ['http://10.0.0.1:2379'] } };
    const { done, ...rest } = parts({}, settings);
    rest.runState.remember({ leaseId: '77' });
    assert.equal(await endEarlierRun({ ...rest, runState: new FileRunState(folder) }), true);
    assert.deepEqual(done, ['vip 10.0.0.7', 'lease 77', 'watchdog']);
  });

  it('kills no process that got the number later', () => {
    const self = identityOf(process.pid) ?? assert.fail();
    assert.equal(isRunning({ ...self, startTicks: '1' }), false);
  });

  it('takes a broken file for none', async () => {
    const { done, ...rest } = parts();
    writeFileSync(join(folder, 'running.json'), '{"leaseId": "rm -rf", "sftpNode": 1}');
    assert.equal(await endEarlierRun(rest), true);
    assert.deepEqual(done, ['vip', 'watchdog']);
  });
});
