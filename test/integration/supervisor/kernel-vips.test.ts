import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Network, type NetworkHost, run } from '../../lab/network.ts';

const source = (name: string) => JSON.stringify(join(import.meta.dirname, '../../../supervisor', name));
const address = '10.77.0.100';
const addressV6 = 'fd77::100';

/** A script inside the host's network: `vips` of the kernel, `now` in boot time, `left()` as the kernel tells it. */
const preamble = `
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { KernelVips } from ${source('adapters/kernel/network/kernel-vips.ts')};
import { systemClock } from ${source('adapters/kernel/system-clock.ts')};
const vip = { kind: 'kernel', interface: 'eth0', address: { address: '${address}', prefixLength: 24, family: 4 } };
const vipV6 = { ...vip, address: { address: '${addressV6}', prefixLength: 64, family: 6 } };
const vips = new KernelVips([vip], systemClock);
const now = () => systemClock.bootTimeMs();
const left = () => {
  const [link] = JSON.parse(execFileSync('ip', ['-j', 'addr', 'show', 'dev', 'eth0'], { encoding: 'utf8' }));
  return link.addr_info.find((info) => info.local === '${address}')?.valid_life_time ?? null;
};
`;

describe("a virtual IP of the kernel's", { timeout: 60_000 }, () => {
  const network = new Network();
  let host: NetworkHost;
  before(async () => {
    await network.create();
    host = await network.addHost('a', '10.77.0.11', 'fd77::11');
  });
  after(() => network.remove());

  async function tell(script: string): Promise<unknown> {
    const args = ['--input-type=module-typescript', '--eval', `${preamble}${script}`];
    return JSON.parse(await run('ip', ['netns', 'exec', host.namespace, process.execPath, ...args]));
  }

  it('is on for whole seconds that end before the lease, and longer after each renewal', async () => {
    const told = await tell(`
      const on = [await vips.present(now() + 5000), left()];
      const longer = [await vips.present(now() + 9000), left()];
      await vips.absent();
      console.log(JSON.stringify([...on, ...longer, left()]));`);
    assert.deepEqual(told, [true, 4, true, 8, null]);
  });

  it('keeps the lifetime it has when a renewal that took long would shorten it', async () => {
    // 8 whole seconds fit in at first, and a moment later no more than 7.
    const told = await tell(`
      const endsAt = now() + 8000 + 700 + 40;
      await vips.present(endsAt);
      await new Promise((resolve) => setTimeout(resolve, 150));
      const before = left();
      const kept = [await vips.present(endsAt), left() >= before];
      await vips.absent();
      console.log(JSON.stringify(kept));`);
    assert.deepEqual(told, [true, true]);
  });

  it('is shortened when the lease is a shorter one than that which it was put on for', async () => {
    const told = await tell(`
      await vips.present(now() + 9000);
      const shorter = [await vips.present(now() + 4000), left()];
      await vips.absent();
      console.log(JSON.stringify(shorter));`);
    assert.deepEqual(told, [true, 3]);
  });

  it('is not put on after its time by a command that was frozen, nor by one that is told to too late', async () => {
    const told = await tell(`
      const waitAsFrozen = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
      const commands = () => readdirSync('/proc').filter((pid) => {
        try {
          const isOurs = readFileSync('/proc/' + pid + '/stat', 'utf8').split(') ')[1].split(' ')[1] === String(process.pid);
          return isOurs && readFileSync('/proc/' + pid + '/cmdline', 'utf8').includes('deadline-exec');
        } catch {
          return false;
        }
      });
      const ready = async () => {
        while (commands().length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
        return Number(commands()[0]);
      };
      await vips.present(now() + 9000);
      await vips.absent();

      // Told in time, and frozen before it did anything; this process does not get to end it.
      const frozen = await ready();
      process.kill(frozen, 'SIGSTOP');
      const asked = vips.present(now() + 1800).catch((error) => error.code);
      waitAsFrozen(900);
      process.kill(frozen, 'SIGCONT');
      waitAsFrozen(200);
      const afterThaw = left();
      const outcome = await asked;

      // This process was frozen between its reckoning and the words to the command.
      const late = new KernelVips([vip], { bootTimeMs: () => now() - 900 });
      const lateOutcome = await late.present(now() - 900 + 1800).catch((error) => error.code);
      console.log(JSON.stringify([afterThaw, outcome, lateOutcome, left()]));`);
    assert.deepEqual(told, [null, 'COMMAND_TIMEOUT', 'COMMAND_TIMEOUT', null]);
  });

  it('is announced while it is on, and not by a supervisor that was frozen and thaws too late', async () => {
    const partner = await network.addHost('partner', '10.77.0.200', 'fd77::200');
    const elsewhere = '02:00:00:00:00:01';
    const successorHasThem = async () => {
      for (const at of [address, addressV6]) {
        await partner.ip('neigh', 'replace', at, 'lladdr', elsewhere, 'dev', 'eth0', 'nud', 'stale');
      }
    };
    const knows = async () => {
      const entries = JSON.parse(await partner.ip('-j', 'neigh', 'show', 'dev', 'eth0'));
      const macs = [address, addressV6].map(
        (at) => entries.find((entry: { dst: string }) => entry.dst === at)?.lladdr,
      );
      return macs.map((mac) => mac === elsewhere);
    };
    const script = (frozenMs: number) => `
      const both = new KernelVips([vip, vipV6], systemClock);
      await both.present(now() + 1800);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ${frozenMs});
      await both.announce().catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, 200));
      await both.absent();
      console.log('null');`;
    await successorHasThem();
    await tell(script(0));
    assert.deepEqual(await knows(), [false, false]);
    await successorHasThem();
    await tell(script(2000));
    assert.deepEqual(await knows(), [true, true]);
  });

  it('is free when nobody answers, taken by who does, and neither when nobody could be asked', async () => {
    const stranger = await network.addHost('stranger', '10.77.0.201', 'fd77::201');
    const ask = (prelude = '') =>
      tell(`
        ${prelude}
        const both = [new KernelVips([vip], systemClock), new KernelVips([vipV6], systemClock)];
        const ask = (one) => one.conflict().then((taken) => taken?.address ?? 'free', (error) => error.code);
        console.log(JSON.stringify(await Promise.all(both.map(ask))));`);
    assert.deepEqual(await ask(), ['free', 'free']);
    await stranger.ip('addr', 'add', `${address}/24`, 'dev', 'eth0');
    await stranger.ip('addr', 'add', `${addressV6}/64`, 'dev', 'eth0', 'nodad');
    assert.deepEqual(await ask(), [address, addressV6]);
    const down = `execFileSync('ip', ['link', 'set', 'eth0', 'down']);`;
    try {
      assert.deepEqual(await ask(down), ['VIP_PROBE_FAILED', 'VIP_PROBE_FAILED']);
    } finally {
      await host.linkUp();
    }
  });

  it('is put on again when somebody took it off', async () => {
    const told = await tell(`
      const endsAt = now() + 9000;
      await vips.present(endsAt);
      execFileSync('ip', ['addr', 'del', '${address}/24', 'dev', 'eth0']);
      const again = [await vips.present(endsAt), left() > 6];
      await vips.absent();
      console.log(JSON.stringify(again));`);
    assert.deepEqual(told, [true, true]);
  });
});
