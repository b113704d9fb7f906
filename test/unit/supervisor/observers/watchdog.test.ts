import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import pino from 'pino';
import { DeviceWatchdog, watchdogOf } from '../../../../supervisor/adapters/kernel/watchdog.ts';
import { WatchdogFeeder } from '../../../../supervisor/observers/watchdog-feeder.ts';
import type { Observation } from '../../../../supervisor/runtime/observation.ts';
import { Host, leaderOf, timing } from '../core/leadership/host.ts';

const timeoutMs = 2000;
const lease = { renewEvery: 500, margin: 500 };

describe('the watchdog of the machine', () => {
  let folder: string;
  let device: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
    device = join(folder, 'watchdog');
    writeFileSync(device, '');
    mkdirSync(join(folder, 'watchdog0'));
    setting('timeout', 2);
    setting('nowayout', 0);
    setting('state', 'inactive');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const setting = (name: string, value: number | string) =>
    writeFileSync(join(folder, 'watchdog0', name), `${value}\n`);
  /** What was written to the device: `.` for a feed. */
  const written = () => readFileSync(device, 'utf8').replaceAll('\0', '.');
  const open = (path = device) => new DeviceWatchdog(path, timeoutMs / 1000, folder);

  it('is fed from when it is armed, and told to stop before it is closed', () => {
    const watchdog = open();
    watchdog.feed();
    assert.equal(written(), '', 'not before it is armed');
    watchdog.arm();
    watchdog.arm();
    watchdog.feed();
    assert.equal(written(), '..');
    watchdog.disarm();
    watchdog.feed();
    watchdog.disarm();
    assert.equal(written(), '..V');
  });

  it('can be used when it resets in time and can be stopped', async () => {
    assert.equal(await open().problem(), null);
    setting('timeout', 60);
    assert.match((await open().problem()) ?? '', /resets the machine after 60 s, which is too late/);
    setting('nowayout', 1);
    assert.match((await open().problem()) ?? '', /nowayout/);
    assert.match((await open(join(folder, 'none')).problem()) ?? '', /none cannot be used: ENOENT/);
  });

  it('names the device that cannot be armed', () => {
    assert.throws(() => open(join(folder, 'none')).arm(), { code: 'WATCHDOG_UNUSABLE', message: /none/ });
    rmSync(device);
    assert.throws(() => open().arm(), { code: 'WATCHDOG_UNUSABLE', message: /cannot be armed: ENOENT/ });
  });

  // `wdctl` writes `V` to what it opens.
  it('is set to what is needed, also where it is set to less', async () => {
    await open().prepare();
    assert.equal(written(), '', 'as it is already');
    setting('timeout', 1);
    await open().prepare();
    assert.equal(written(), 'V');
  });

  it('is never opened where it cannot be stopped again: that starts it', async () => {
    setting('timeout', 1);
    setting('nowayout', 1);
    setting('state', 'active');
    await open().prepare();
    assert.throws(() => open().arm(), { code: 'WATCHDOG_UNUSABLE', message: /nowayout/ });
    open().stopOrphan();
    assert.equal(written(), '');
  });

  it('is not armed when it has been set to more than is needed', () => {
    setting('timeout', 60);
    assert.throws(() => open().arm(), { code: 'WATCHDOG_UNUSABLE', message: /after 60 s/ });
    assert.equal(written(), '');
  });

  it('of a supervisor that died is stopped, and one that stands still is left alone', () => {
    open().stopOrphan();
    assert.equal(written(), '');
    setting('state', 'active');
    open().stopOrphan();
    assert.equal(written(), 'V');
    open(join(folder, 'none')).stopOrphan();
  });

  it('fits into each lease, with time to feed it, also when it runs slow', () => {
    for (let ttl = 3000; ttl <= 60_000; ttl += 1000) {
      const watchdog = watchdogOf({ watchdog: { mode: 'required', device }, lease: { ...lease, ttl } });
      assert.ok(watchdog !== null && watchdog.timeoutMs >= 2000);
      assert.ok(ttl - watchdog.resetsWithinMs >= 900, `${ttl}`);
      assert.ok(watchdog.resetsWithinMs >= watchdog.timeoutMs * 1.02);
    }
  });

  describe('while this host leads', () => {
    let host: Host;
    let observed: Observation[];
    let feeder: WatchdogFeeder | null;
    beforeEach(() => {
      feeder = null;
      observed = [];
      host = new WatchedHost();
    });

    class WatchedHost extends Host {
      override see(observation: Observation) {
        const decision = super.see(observation);
        feeder?.onDecision(decision.state, this.at);
        return decision;
      }
    }

    function keep(path: string, isRequired: boolean): void {
      feeder = new WatchdogFeeder({
        watchdog: open(path),
        isRequired,
        observe: (observation) => observed.push(observation),
        log: pino({ level: 'silent' }),
      });
    }

    it('is fed only as long as the machine would be reset before the lease ends', () => {
      keep(device, true);
      host.leading(200);
      const feeds = () => written().length;
      // A timer that runs slow is in time as well.
      host.pass(timing.leaseTtlMs - open().resetsWithinMs);
      const before = feeds();
      assert.ok(before > 1);
      host.pass(10);
      assert.equal(feeds(), before, 'not any more');
      host.renew();
      assert.equal(feeds(), before + 1);
    });

    it('is fed for as long as the timer that it has allows', () => {
      setting('timeout', 1);
      keep(device, true);
      host.leading(200);
      const before = written().length;
      host.pass(timing.leaseTtlMs - timeoutMs + 100);
      assert.equal(written().length, before + 1);
    });

    it('is stopped when everything is off, and not before', () => {
      keep(device, true);
      host.ready();
      assert.equal(written(), '');
      host.leading(200).read({ leader: null });
      assert.equal(host.phase, 'stepping-down');
      assert.doesNotMatch(written(), /V/);
      host.see({ type: 'node-exited', epoch: 200, cause: { code: 'X', sentence: '' } });
      host.see({ type: 'vip-absent' });
      assert.equal(host.phase, 'standby');
      assert.match(written(), /^\.+V$/);
    });

    it('fails a promotion when it is required and cannot be armed', async () => {
      keep(join(folder, 'none'), true);
      host.leading(200);
      await Promise.resolve();
      assert.deepEqual(
        observed.map(({ type }) => type),
        ['watchdog-failed'],
      );
      const promoting = new Host().ready();
      promoting.see({ type: 'leader-written', leader: leaderOf('a', 200) });
      const cause = { code: 'WATCHDOG_UNUSABLE', sentence: 'none' };
      promoting.see({ type: 'watchdog-failed', epoch: 200, cause });
      assert.equal(promoting.phase, 'stepping-down');
    });

    it('is only wished for when it is automatic', async () => {
      keep(join(folder, 'none'), false);
      host.leading(200);
      await Promise.resolve();
      assert.deepEqual(observed, []);
    });
  });
});
