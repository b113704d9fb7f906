import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Network, type NetworkHost, run } from '../../lab/network.ts';

const source = (name: string) => JSON.stringify(join(import.meta.dirname, '../../../supervisor', name));
const address = '10.77.0.100';

/** A script inside the host's network: `vips` of the kernel, `now` in boot time, `left()` as the kernel tells it. */
const preamble = `
import { execFileSync } from 'node:child_process';
import { KernelVips } from ${source('adapters/network/kernel-vips.ts')};
import { systemClock } from ${source('adapters/system-clock.ts')};
const vip = { kind: 'kernel', interface: 'eth0', address: { address: '${address}', prefixLength: 24, family: 4 } };
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
