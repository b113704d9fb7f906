/**
 * What a tree of many files costs a standby, with the product whole: its first start, at which all of the tree is compared
 * with the leader's, beside `rsync -a` of the same two trees, which are the same; and its return after it was away while
 * some files changed, with the latencies of a steady client meanwhile beside those of an equal time without a return.
 *
 *     node scripts/bench/return.ts [--json] [--files 1000000] [--changed 1000] [--away 60]
 *
 * Needs root, Debian's rsync, a build and scripts/setup --test, and 8 GiB of disk for a million files. Both hosts, their
 * etcd members and the clients share the cores of this machine. A ratio above 1: Holdfast is faster. Memory is the most
 * that a process had in that part.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { cpuOfProcess } from '../../test/bench/data-path/cpu.ts';
import {
  type Latencies,
  requestKinds,
  SteadyClient,
  type Window,
} from '../../test/bench/return/steady-client.ts';
import { makeTrees, nameOf } from '../../test/bench/return/tree.ts';
import { type Usage, UsageWatch } from '../../test/bench/return/usage-watch.ts';
import { monotonicMs } from '../../test/lab/client.ts';
import type { LabHost } from '../../test/lab/host.ts';
import { Lab } from '../../test/lab/lab.ts';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    files: { type: 'string', default: '1000000' },
    changed: { type: 'string', default: '1000' },
    away: { type: 'string', default: '60' },
  },
});
const files = Number(values.files);
const changed = Number(values.changed);
const awaySeconds = Number(values.away);

/** Of the steady client, before the host is started, and at least from then on. */
const settlesMs = 3000;
const shortestWindowMs = 10_000;
const changesOfSession = 500;
/** A comparison that takes longer has failed. */
const longestMs = 3_600_000;

interface Joined {
  /** Seconds from the start of its process, and from the first record that came, until it was in the in-sync set. */
  readonly fromStart: number;
  readonly fromConnection: number;
  readonly inSyncAtMs: number;
}

function tell(text: string): void {
  process.stderr.write(`${text}\n`);
}

const tree = (host: LabHost) => join(host.filesRoot, 'alice/tree');

/** Starts Holdfast on a host that is to follow, and waits until it is in sync. */
async function joinedAfterStart(lab: Lab, leader: LabHost, host: LabHost): Promise<Joined> {
  const startedMs = monotonicMs();
  const startedAt = Date.now();
  host.startSupervisor();
  let toldMs = startedMs;
  const inSyncAtMs = await lab.wait(
    `${host.name} to be in sync`,
    async () => {
      const status = await leader.status().catch(() => null);
      const member = status?.hosts.find(({ node }) => node === host.name);
      if (monotonicMs() - toldMs > 10_000) {
        toldMs = monotonicMs();
        tell(`  ${((toldMs - startedMs) / 1000).toFixed(0)} s: ${JSON.stringify(member?.replication)}`);
      }
      return member?.inSync === true && member.replication?.state === 'streaming' && monotonicMs();
    },
    longestMs,
  );
  const came = host
    .logLines()
    .findLast(({ msg }) => String(msg).startsWith('following: the leader’s records come'));
  const fromStart = (inSyncAtMs - startedMs) / 1000;
  const connectedAt = Number(new Date(came?.time as string | number));
  return { fromStart, fromConnection: fromStart - (connectedAt - startedAt) / 1000, inSyncAtMs };
}

/** What a start leaves to be done at leisure has been done. */
async function untilIdle(hosts: readonly LabHost[]): Promise<void> {
  const spent = async () => {
    const pids = (await Promise.all(hosts.map(({ network }) => network.pidsOf('node')))).flat();
    return pids.reduce((sum, pid) => sum + cpuOfProcess(pid), 0);
  };
  for (let quiet = 0; quiet < 3; ) {
    const before = await spent();
    await delay(1000);
    quiet = (await spent()) - before < 0.25 ? quiet + 1 : 0;
  }
}

/** A daemon on the host, which has its tree. */
async function startRsync(lab: Lab, host: LabHost): Promise<void> {
  const file = host.logFile('rsyncd.conf');
  writeFileSync(
    file,
    `use chroot = no\nuid = 0\ngid = 0\naddress = ${host.network.ipv4}\n[tree]\npath = ${tree(host)}\n`,
  );
  host.spawn('rsyncd.log', 'rsync', ['--daemon', '--no-detach', '--config', file]);
  await lab.wait('the rsync daemon', async () => {
    const { exitCode } = await host.run('rsync', [`rsync://${host.network.ipv4}/`]);
    return exitCode === 0;
  });
}

/** Seconds of `rsync -a` on the host from the daemon of another. */
async function rsync(from: LabHost, to: LabHost): Promise<number> {
  const startedMs = monotonicMs();
  const source = `rsync://${from.network.ipv4}/tree/`;
  const { stdout } = await to.exec('rsync', ['-a', '--stats', source, `${tree(to)}/`]);
  if (!stdout.includes('regular files transferred: 0\n')) throw new Error(`the trees differed:\n${stdout}`);
  return (monotonicMs() - startedMs) / 1000;
}

async function verify(lab: Lab, from: LabHost, to: LabHost): Promise<void> {
  const source = `rsync://${from.network.ipv4}/tree/`;
  await lab.wait(
    'the trees to be the same',
    async () => {
      const args = ['-rlnc', '--delete', '--out-format=%n', source, `${tree(to)}/`];
      const { stdout } = await to.exec('rsync', args);
      return stdout.split('\n').every((name) => name === '' || name.endsWith('/'));
    },
    longestMs,
  );
}

/** Changes and creates files by SFTP, half and half, all over the tree. */
async function change(lab: Lab): Promise<void> {
  writeFileSync(join(lab.client.folder, 'changed'), 'changed '.repeat(25));
  const puts = Array.from({ length: changed }, (_, index) => {
    const name = nameOf(Math.floor((index / changed) * files));
    return `put changed tree/${name}${index % 2 === 0 ? '' : '-new'}`;
  });
  for (let at = 0; at < puts.length; at += changesOfSession)
    await lab.client.sftp(lab.vipV4, `${puts.slice(at, at + changesOfSession).join('\n')}\n`);
}

/** What was worth a warning, and how often. */
function warnings(hosts: readonly LabHost[]): string[] {
  const counts = new Map<string, number>();
  for (const host of hosts)
    for (const { level, msg, code } of host.logLines()) {
      const isWarning =
        typeof level === 'number' ? level >= 40 : ['warn', 'error', 'fatal'].includes(`${level}`);
      const text = `${host.name}: ${code === undefined ? '' : `${code} `}${msg}`;
      if (isWarning) counts.set(text, (counts.get(text) ?? 0) + 1);
    }
  return [...counts].map(([text, count]) => `${text} (${count})`);
}

interface Result {
  readonly files: number;
  readonly comparison: Joined;
  readonly rsyncSeconds: readonly number[];
  readonly timesRsync: number;
  readonly back: Joined;
  readonly changesSeconds: number;
  readonly windowSeconds: number;
  readonly latencies: readonly {
    readonly request: string;
    readonly during: Latencies;
    readonly without: Latencies;
  }[];
  readonly used: Readonly<Record<string, Record<string, Usage>>>;
  readonly warnings: readonly string[];
}

async function run(): Promise<Result> {
  await using lab = await Lab.create({ hosts: ['a', 'b'] });
  const [leader, standby] = lab.hosts;
  if (leader === undefined || standby === undefined) throw new Error('no hosts');
  for (const host of lab.hosts) mkdirSync(host.filesRoot, { recursive: true });
  tell(`making two trees of ${files} files`);
  await makeTrees(files, tree(leader), tree(standby));
  await startRsync(lab, leader);
  tell('rsync -a');
  await rsync(leader, standby);
  const rsyncSeconds = [await rsync(leader, standby)];

  for (const host of lab.hosts) host.startEtcd();
  const watch = new UsageWatch(lab.hosts);
  const used: Record<string, Record<string, Usage>> = {};
  leader.startSupervisor();
  await lab.waitForLeader([leader]);
  tell('the leader leads, and becomes idle');
  await untilIdle([leader]);
  used['first start of the leader'] = await watch.take();
  tell('full comparison');
  const comparison = await joinedAfterStart(lab, leader, standby);
  used['full comparison'] = await watch.take();
  tell(`in sync after ${comparison.fromStart.toFixed(1)} s`);
  await untilIdle(lab.hosts);
  used['idle after it'] = await watch.take();
  rsyncSeconds.push(await rsync(leader, standby));

  await standby.signalSupervisor('SIGTERM');
  const awaySinceMs = monotonicMs();
  tell('changes while the standby is away');
  await change(lab);
  const changesSeconds = (monotonicMs() - awaySinceMs) / 1000;
  await delay(Math.max(0, awaySinceMs + awaySeconds * 1000 - monotonicMs()));
  used.changes = await watch.take();

  tell('return');
  const client = await SteadyClient.start(lab);
  await delay(settlesMs);
  const from = monotonicMs();
  const back = await joinedAfterStart(lab, leader, standby);
  await delay(Math.max(1000, from + shortestWindowMs - monotonicMs()));
  const during: Window = { from, to: monotonicMs() };
  await client.stop();
  used.return = await watch.take();
  tell(`in sync after ${back.fromStart.toFixed(2)} s`);
  await untilIdle(lab.hosts);
  used['idle after the return'] = await watch.take();

  tell('the same time without a return');
  const quiet = await SteadyClient.start(lab);
  await delay(settlesMs);
  const quietFrom = monotonicMs();
  const windowMs = during.to - during.from;
  await delay(windowMs);
  const without = { from: quietFrom, to: quietFrom + windowMs };
  await quiet.stop();
  used['steady client alone'] = await watch.take();
  await watch.stop();
  tell('comparing the trees');
  await verify(lab, leader, standby);

  return {
    files,
    comparison,
    rsyncSeconds,
    timesRsync: Math.min(...rsyncSeconds) / comparison.fromStart,
    back,
    changesSeconds,
    windowSeconds: windowMs / 1000,
    latencies: requestKinds.map((request) => ({
      request,
      during: client.latencies(during)[request],
      without: quiet.latencies(without)[request],
    })),
    used,
    warnings: warnings(lab.hosts),
  };
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const made = new Table({ head: [...head], style: { head: [] } });
  for (const row of rows) made.push([...row]);
  return made.toString();
}

function report({ comparison, back, latencies, used, ...rest }: Result): string {
  const seconds = ({ fromStart, fromConnection }: Joined) => [
    fromStart.toFixed(2),
    fromConnection.toFixed(2),
  ];
  const times = ({ requests, p50, p99, p999, longest }: Latencies) => [
    String(requests),
    ...[p50, p99, p999, longest].map((ms) => ms.toFixed(1)),
  ];
  const programs = [...new Set(Object.values(used).flatMap((all) => Object.keys(all)))].sort();
  const rsyncs = rest.rsyncSeconds.map((each) => each.toFixed(1)).join(', ');
  return [
    table(
      [`${rest.files} files`, 's from start', 's from connection', 'rsync -a s', 'times rsync'],
      [
        ['full comparison', ...seconds(comparison), rsyncs, rest.timesRsync.toFixed(2)],
        [`return, ${changed} changes`, ...seconds(back), '', ''],
      ],
    ),
    table(
      [`window ${rest.windowSeconds.toFixed(1)} s`, 'requests', '50 %, ms', '99 %', '99.9 %', 'longest'],
      latencies.flatMap(({ request, during, without }) => [
        [`${request}, return`, ...times(during)],
        [`${request}, none`, ...times(without)],
      ]),
    ),
    table(
      ['peak MiB, CPU s', ...programs],
      Object.entries(used).map(([part, all]) => [
        part,
        ...programs.map((name) => `${all[name]?.peakMiB ?? ''}, ${all[name]?.cpuSeconds.toFixed(1) ?? ''}`),
      ]),
    ),
    ...rest.warnings,
  ].join('\n');
}

const result = await run();
if (values.json) console.log(JSON.stringify(result));
else console.log(report(result));
