/**
 * node scripts/bench/failover.ts [rounds]      (root; after scripts/setup --test; Debian's keepalived for the peer)
 *
 * One table from one run: how long nobody can log in, as a client that tries every 20 ms sees it, for a switchover, a
 * planned stop, a killed SFTP node, a killed supervisor and a dead host. Beside it the same for keepalived in front of
 * OpenSSH's sshd, with its defaults (advert_int 1), in the same kind of namespaces.
 */
import { availableParallelism, loadavg } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { callControl } from '../../supervisor/control/client.ts';
import type { LabHost } from '../../test/lab/host.ts';
import { Lab } from '../../test/lab/lab.ts';
import { keepalivedIsInstalled, measureKeepalived } from './keepalived.ts';
import { measure, median } from './outages.ts';

const rounds = Number(process.argv[2] ?? 5);
if (!Number.isInteger(rounds) || rounds < 1) {
  process.stderr.write('usage: node scripts/bench/failover.ts [rounds]\n');
  process.exit(2);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function row(what: string, times: readonly number[]): void {
  const cells = [Math.min(...times), median(times), Math.max(...times)].map((value) =>
    value.toFixed(0).padStart(7),
  );
  print(`${what.padEnd(48)}${cells.join('')}${String(times.length).padStart(8)}`);
}

function ratio(what: string, ours: readonly number[], theirs: readonly number[]): void {
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
    const zeroth = await settled();
    times.switchovers.push(await measure(prober, () => switchover(zeroth, lab)));

    const first = await settled();
    times.stops.push(await measure(prober, () => first.signalSupervisor('SIGTERM')));
    first.startSupervisor();

    const second = await settled();
    const { processes } = await second.status();
    times.nodeKills.push(await measure(prober, async () => process.kill(processes.sftpNode ?? 0, 'SIGKILL')));

    const third = await settled();
    times.crashes.push(
      await measure(prober, async () => {
        await third.signalSupervisor('SIGKILL');
        await third.release();
      }),
    );
    third.startSupervisor();

    const fourth = await settled();
    // A host has led for a while before it dies, as a rule: long enough to have etcd led from another host.
    await delay(6000);
    times.deaths.push(await measure(prober, () => fourth.die()));
    await fourth.comeBack();
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
