/**
 * node scripts/bench/failover.ts [rounds] [row...]      (root; after scripts/setup --test; Debian's keepalived for the peer)
 *
 * One table from one run: how long nobody can log in, as a client that tries every 20 ms sees it, for a switchover, a
 * planned stop, a killed SFTP node, a killed supervisor and a dead host. Beside it the same for keepalived in front of
 * OpenSSH's sshd, with its defaults (advert_int 1), in the same kind of namespaces.
 *
 * Rows: switchover, stop, node, supervisor, host, keepalived. Default: all of them.
 */
import { availableParallelism, loadavg } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { callControl } from '../../supervisor/control/client.ts';
import { median } from '../../test/bench/median.ts';
import type { LabHost } from '../../test/lab/host.ts';
import { Lab } from '../../test/lab/lab.ts';
import { keepalivedIsInstalled, measureKeepalived } from './keepalived.ts';
import { measure } from './outages.ts';

const rows = ['switchover', 'stop', 'node', 'supervisor', 'host', 'keepalived'] as const;
const [count = '5', ...named] = process.argv.slice(2);
const rounds = Number(count);
if (!Number.isInteger(rounds) || rounds < 1 || named.some((name) => !rows.some((row) => row === name))) {
  process.stderr.write(`usage: node scripts/bench/failover.ts [rounds] [${rows.join('|')}...]\n`);
  process.exit(2);
}
const wants = (name: (typeof rows)[number]) => named.length === 0 || named.includes(name);

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function row(what: string, times: readonly number[]): void {
  if (times.length === 0) return;
  const cells = [Math.min(...times), median(times), Math.max(...times)].map((value) =>
    value.toFixed(0).padStart(7),
  );
  print(`${what.padEnd(48)}${cells.join('')}${String(times.length).padStart(8)}`);
}

function ratio(what: string, ours: readonly number[], theirs: readonly number[]): void {
  if (ours.length === 0) return;
  print(
    `${what.padEnd(48)}${(median(ours) / median(theirs)).toFixed(2).padStart(14)}   (medians, lower is better)`,
  );
}

/** As `holdfast switchover` asks for it; resolves when it is done. */
async function switchover(from: LabHost, lab: Lab): Promise<void> {
  const request = {
    kind: 'switchover',
    to: null,
    at: null,
    drainMs: 0,
    force: false,
    by: 'bench',
    dryRun: false,
  };
  const { id } = await callControl<{ id: string }>(from.runFolder, 'POST', '/v1/operations', request);
  await lab.wait('the switchover', async () => {
    const { operation } = await from.status();
    return operation?.id === id && operation.state === 'done';
  });
}

async function measureHoldfast() {
  await using lab = await Lab.create();
  await lab.start();
  const prober = await lab.client.probe(lab.vipV4);
  const times = {
    switchovers: [] as number[],
    stops: [] as number[],
    nodeKills: [] as number[],
    crashes: [] as number[],
    deaths: [] as number[],
  };
  /** The leader, when all are in sync and a lease has been renewed a few times. */
  const settled = async () => {
    await lab.waitForService();
    await delay(1500);
    return lab.waitForService();
  };
  for (let round = 0; round < rounds; round++) {
    if (wants('switchover')) {
      const leader = await settled();
      times.switchovers.push(await measure(prober, () => switchover(leader, lab)));
    }
    if (wants('stop')) {
      const leader = await settled();
      times.stops.push(await measure(prober, () => leader.signalSupervisor('SIGTERM')));
      leader.startSupervisor();
    }
    if (wants('node')) {
      const { processes } = await (await settled()).status();
      times.nodeKills.push(
        await measure(prober, async () => process.kill(processes.sftpNode ?? 0, 'SIGKILL')),
      );
    }
    if (wants('supervisor')) {
      const leader = await settled();
      times.crashes.push(
        await measure(prober, async () => {
          await leader.signalSupervisor('SIGKILL');
          await leader.release();
        }),
      );
      leader.startSupervisor();
    }
    if (wants('host')) {
      const leader = await settled();
      // A host has led for a while before it dies, as a rule: long enough to have etcd led from another host.
      await delay(6000);
      times.deaths.push(await measure(prober, () => leader.die()));
      await leader.comeBack();
    }
  }
  await prober.stop();
  return times;
}

const load = loadavg()[0]?.toFixed(1);
print(`${availableParallelism()} cores, load ${load} at the start, etcd with three members, lease 3 s\n`);
print(`${'milliseconds without a login'.padEnd(48)}    min median    max  rounds`);
const ours = await measureHoldfast();
row('Holdfast: switchover', ours.switchovers);
row('Holdfast: planned stop (SIGTERM)', ours.stops);
row('Holdfast: SFTP node killed', ours.nodeKills);
row('Holdfast: supervisor killed, ExecStopPost runs', ours.crashes);
row('Holdfast: host dead', ours.deaths);
if (!wants('keepalived')) process.exit();
if (keepalivedIsInstalled()) {
  const theirs = await measureKeepalived(rounds);
  row('keepalived + sshd: planned stop (SIGTERM)', theirs.stops);
  row('keepalived + sshd: host dead', theirs.deaths);
  print('');
  ratio('Holdfast to keepalived: planned move', ours.switchovers, theirs.stops);
  ratio('Holdfast to keepalived: planned stop', ours.stops, theirs.stops);
  ratio('Holdfast to keepalived: host dead', ours.deaths, theirs.deaths);
} else {
  print('keepalived + sshd: not measured (apt-get install keepalived openssh-server)');
}
