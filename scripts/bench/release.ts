/**
 * node scripts/bench/release.ts [rounds]      (root; after scripts/setup --test)
 *
 * How long the whole process of the release takes that systemd runs after a supervisor died: nobody serves meanwhile. On
 * a host of the lab with a real address of each family and a lease of a real etcd with three members. Prints minimum,
 * median and maximum, beside the command `holdfast release`, which goes by holdfast.yaml, and `node -e 0` as the floor.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { median } from '../../test/bench/median.ts';
import { Lab } from '../../test/lab/lab.ts';

const holdfast = join(import.meta.dirname, '../../dist/holdfast.js');
const rounds = Number(process.argv[2] ?? 20);

async function timeMs(act: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await act();
  return performance.now() - startedMs;
}

function row(name: string, times: number[]): string {
  const [min, middle, max] = [Math.min(...times), median(times), Math.max(...times)].map((ms) =>
    ms.toFixed(0),
  );
  return `${name.padEnd(28)} min ${min}  median ${middle}  max ${max} ms\n`;
}

await using lab = await Lab.create();
for (const host of lab.hosts) host.startEtcd();
const [host = lab.host('a')] = lab.hosts;
host.startSupervisor();
await lab.waitForLeader([host]);
await host.signalSupervisor('SIGKILL');

/** What a supervisor that died left behind; each round leaves the same, with a lease of its own. */
const runState = join(host.runFolder, 'running.json');
const left = JSON.parse(readFileSync(runState, 'utf8'));
const etcdctl = async (...args: string[]) => {
  const endpoint = `--endpoints=http://${host.network.ipv4}:2379`;
  return (await host.exec('env', ['ETCDCTL_API=3', 'etcdctl', endpoint, 'lease', ...args])).stdout;
};

/** Runs a release and looks that there is nothing left to release. */
async function releaseMs(release: () => Promise<unknown>): Promise<number> {
  const lease = (await etcdctl('grant', '60')).split(' ')[1] ?? '';
  const leaseId = String(BigInt(`0x${lease}`));
  writeFileSync(runState, JSON.stringify({ ...left, leaseId }), { mode: 0o600 });
  await host.network.ip('addr', 'replace', `${lab.vipV4}/24`, 'dev', 'eth0');
  await host.network.ip('addr', 'replace', `${lab.vipV6}/64`, 'dev', 'eth0', 'nodad');
  const tookMs = await timeMs(release);
  const addresses = await host.network.addresses();
  const isOn = addresses.includes(lab.vipV4) || addresses.includes(lab.vipV6);
  if (isOn || (await etcdctl('list')).includes(lease)) throw new Error('address or lease is still there');
  return tookMs;
}

const command = [holdfast, 'release', '--config', host.configFile];
const times: number[] = [];
const commandTimes: number[] = [];
const floor: number[] = [];
for (let round = 0; round < rounds; round++) {
  times.push(await releaseMs(() => host.release()));
  commandTimes.push(await releaseMs(() => host.exec(process.execPath, command)));
  floor.push(await timeMs(() => host.exec(process.execPath, ['-e', '0'])));
}
process.stdout.write(
  row('release.js after a crash', times) + row('holdfast release', commandTimes) + row('node -e 0', floor),
);
