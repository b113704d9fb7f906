/**
 * What replication costs partners: uploads to a cluster of real parts beside OpenSSH's `put -f` (which flushes each
 * file) on the same disk, with OpenSSH's own client, in turns; with one synchronous standby, and then without.
 *
 *     node scripts/bench/replication.ts [--json] [--rounds 3] [--mb 400] [--load stream,files,folders,clients]
 *       [--hosts standby,alone] [--flush-ms 5]
 *
 * Needs root, Debian's openssh-server, a build and scripts/setup --test; with --flush-ms a C compiler. Both hosts, their
 * etcd members and the clients share the cores of this machine. Ratios above 1: Holdfast is faster. CPU seconds are those
 * of one run, by process, memory the most that it ever had. --flush-ms: each flush takes so long in addition, of Holdfast and of sshd, not of etcd.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { execa } from 'execa';
import { cpuOfProcess, holdfastProgramOf, peakMebibytes } from '../../test/bench/data-path/cpu.ts';
import { median } from '../../test/bench/median.ts';
import { sshdConfig } from '../../test/bench/sshd-config.ts';
import type { LabHost } from '../../test/lab/host.ts';
import { Lab } from '../../test/lab/lab.ts';
import { waitFor } from '../../test/lab/wait.ts';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '3' },
    mb: { type: 'string', default: '400' },
    load: { type: 'string', default: 'stream,files,folders,clients' },
    hosts: { type: 'string', default: 'standby,alone' },
    'flush-ms': { type: 'string', default: '0' },
  },
});
const rounds = Number(values.rounds);
const sshdPort = 2022;

interface Load {
  readonly name: string;
  readonly clients: number;
  readonly folders: number;
  /** In each folder. */
  readonly files: number;
  readonly bytes: number;
}

const loads: Load[] = [
  { name: 'stream', clients: 1, folders: 1, files: 1, bytes: Number(values.mb) * 1e6 },
  { name: 'files', clients: 1, folders: 1, files: 1000, bytes: 4096 },
  { name: 'folders', clients: 1, folders: 100, files: 10, bytes: 4096 },
  { name: 'clients', clients: 64, folders: 1, files: 50, bytes: 4096 },
].filter(({ name }) => values.load.split(',').includes(name));

interface Contestant {
  readonly name: string;
  readonly login: string;
  readonly port: number;
  /** The folder for uploads, as the client names it, and where it lies on each host that has it. */
  readonly remote: string;
  readonly roots: readonly string[];
  readonly put: string;
}

interface Row {
  readonly hosts: string;
  readonly load: string;
  readonly contestant: string;
  readonly ms: number;
  readonly rounds: readonly number[];
  readonly timesOpenSsh: number;
  readonly used: Readonly<Record<string, Usage>>;
}

interface Usage {
  readonly cpuSeconds: number;
  /** The most memory that the process ever had. */
  readonly peakMiB: number;
}

/** What Holdfast's processes on a host have used so far, by program. */
async function usageOf(host: LabHost): Promise<[string, Usage][]> {
  const { stdout } = await execa('ip', ['netns', 'pids', host.network.namespace]);
  return stdout.split('\n').flatMap((pid) => {
    try {
      const program = holdfastProgramOf(Number(pid));
      const usage = { cpuSeconds: cpuOfProcess(Number(pid)), peakMiB: peakMebibytes(Number(pid)) };
      return program === null ? [] : [[`${host.name} ${program}`, usage] as [string, Usage]];
    } catch {
      // It has ended.
      return [];
    }
  });
}

async function usageOfAll(lab: Lab): Promise<Map<string, Usage>> {
  const all = await Promise.all(lab.hosts.map(usageOf));
  return new Map(all.flat());
}

function makeTree(folder: string, { name, folders, files, bytes }: Load): string {
  const tree = join(folder, `tree-${name}`);
  for (let at = 0; at < folders; at++) {
    const path = join(tree, `folder-${at}`);
    mkdirSync(path, { recursive: true });
    for (let file = 0; file < files; file++) writeFileSync(join(path, `file-${file}`), randomBytes(bytes));
  }
  return tree;
}

async function upload(lab: Lab, { login, port, remote, put }: Contestant, tree: string, load: Load) {
  const { namespace } = lab.client.network;
  const startedMs = performance.now();
  await Promise.all(
    Array.from({ length: load.clients }, (_, client) =>
      execa(
        'ip',
        ['netns', 'exec', namespace, 'sftp', ...lab.client.sshOptions, '-P', `${port}`, '-b', '-', login],
        { input: `${put} -r ${tree} ${join(remote, `up-${client}`)}\n` },
      ),
    ),
  );
  return performance.now() - startedMs;
}

async function verify(lab: Lab, { roots, name }: Contestant, tree: string, { clients }: Load): Promise<void> {
  for (const root of roots)
    for (let client = 0; client < clients; client++)
      await lab.wait(`${name} to have what was uploaded`, async () => {
        const { exitCode } = await execa('diff', ['-rq', tree, join(root, `up-${client}`)], {
          reject: false,
        });
        return exitCode === 0;
      });
}

async function clean(lab: Lab, { login, port, roots }: Contestant, load: Load): Promise<void> {
  if (login.startsWith('root@')) {
    for (const root of roots)
      for (let client = 0; client < load.clients; client++)
        rmSync(join(root, `up-${client}`), { recursive: true, force: true });
    return;
  }
  const lines = Array.from({ length: load.clients }, (_, client) => {
    const folders = Array.from({ length: load.folders }, (_, at) => `up-${client}/folder-${at}`);
    return [...folders.flatMap((folder) => [`rm ${folder}/*`, `rmdir ${folder}`]), `rmdir up-${client}`];
  }).flat();
  await lab.client.exec(
    'sftp',
    ['-q', ...lab.client.sshOptions, '-P', `${port}`, '-b', '-', login],
    `${lines.join('\n')}\n`,
  );
}

async function compare(
  lab: Lab,
  hosts: string,
  load: Load,
  contestants: readonly Contestant[],
): Promise<Row[]> {
  const tree = makeTree(lab.client.folder, load);
  const samples = contestants.map(() => ({ ms: [] as number[], used: {} as Record<string, Usage> }));
  // The first round warms caches and compilers, and what it uploaded is compared.
  for (let round = 0; round <= rounds; round++)
    for (const [index, contestant] of contestants.entries()) {
      const before = await usageOfAll(lab);
      const ms = await upload(lab, contestant, tree, load);
      const after = await usageOfAll(lab);
      if (round === 0) await verify(lab, contestant, tree, load);
      await clean(lab, contestant, load);
      process.stderr.write(`${hosts}, ${load.name}, ${contestant.name}: ${Math.round(ms)} ms\n`);
      if (round === 0) continue;
      samples[index]?.ms.push(ms);
      const sample = samples[index];
      if (sample === undefined) continue;
      for (const [name, { cpuSeconds, peakMiB }] of after) {
        const spent = cpuSeconds - (before.get(name)?.cpuSeconds ?? 0);
        if (spent >= 0.05) sample.used[name] = { cpuSeconds: Number(spent.toFixed(2)), peakMiB };
      }
    }
  rmSync(tree, { recursive: true });
  const base = median(samples[0]?.ms ?? []);
  return contestants.map(({ name }, index) => {
    const { ms = [], used = {} } = samples[index] ?? {};
    const timesOpenSsh = base / median(ms);
    return {
      hosts,
      load: load.name,
      contestant: name,
      ms: median(ms),
      rounds: ms,
      timesOpenSsh,
      used,
    };
  });
}

async function startSshd(lab: Lab, host: LabHost, env: Record<string, string>): Promise<Contestant> {
  const file = (name: string) => join(host.folder, name);
  const root = file('data/sshd');
  mkdirSync(root);
  mkdirSync('/run/sshd', { recursive: true });
  await host.exec('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file('sshd_key')]);
  const config = sshdConfig({
    listenAddress: host.network.ipv4,
    port: sshdPort,
    hostKey: file('sshd_key'),
    authorizedKeys: `${lab.client.keyFile}.pub`,
  });
  writeFileSync(file('sshd_config'), config);
  host.network.spawn(file('sshd.log'), ['/usr/sbin/sshd', '-D', '-e', '-f', file('sshd_config')], { env });
  const login = `root@${host.network.ipv4}`;
  await waitFor('sshd', async () => host.log('sshd.log').includes('listening'));
  return { name: 'OpenSSH put -f', login, port: sshdPort, remote: root, roots: [root], put: 'put -f' };
}

async function slowFlush(folder: string): Promise<Record<string, string>> {
  if (values['flush-ms'] === '0') return {};
  const library = join(folder, 'slow-flush.so');
  const source = join(import.meta.dirname, '../../test/bench/data-path/slow-flush.c');
  await execa('cc', ['-O2', '-shared', '-fPIC', '-o', library, source, '-ldl']);
  return { LD_PRELOAD: library, FLUSH_MS: values['flush-ms'] };
}

async function run(): Promise<Row[]> {
  await using lab = await Lab.create({ hosts: ['a', 'b'] });
  const env = await slowFlush(lab.folder);
  for (const host of lab.hosts) host.environment = env;
  const leader = await lab.start();
  const openSsh = await startSshd(lab, leader, env);
  const [standby] = lab.others(leader);
  if (standby === undefined) throw new Error('no standby');
  const home = (host: LabHost) => join(host.filesRoot, readdirSync(host.filesRoot)[0] ?? '');
  await lab.client.sftp(lab.vipV4, 'mkdir first\nrmdir first');
  const holdfast = {
    name: 'Holdfast',
    login: `alice@${lab.vipV4}`,
    port: lab.sftpPort,
    remote: '',
    put: 'put',
  };
  const rows: Row[] = [];
  if (values.hosts.split(',').includes('standby'))
    for (const load of loads)
      rows.push(
        ...(await compare(lab, 'one standby', load, [
          openSsh,
          { ...holdfast, roots: [home(leader), home(standby)] },
        ])),
      );
  if (values.hosts.split(',').includes('alone')) {
    await standby.signalSupervisor('SIGTERM');
    await lab.waitForService([leader]);
    for (const load of loads)
      rows.push(...(await compare(lab, 'alone', load, [openSsh, { ...holdfast, roots: [home(leader)] }])));
  }
  return rows;
}

const rows = await run();
if (values.json) console.log(JSON.stringify({ flushMs: Number(values['flush-ms']), rows }));
else {
  const table = new Table({
    head: ['hosts', 'load', '', 'ms', 'times OpenSSH', 'CPU s, peak MiB'],
    style: { head: [] },
  });
  for (const { hosts, load, contestant, ms, timesOpenSsh, used } of rows) {
    const lines = Object.entries(used).map(
      ([name, { cpuSeconds, peakMiB }]) => `${name} ${cpuSeconds}, ${peakMiB}`,
    );
    table.push([hosts, load, contestant, ms.toFixed(0), timesOpenSsh.toFixed(2), lines.join('\n')]);
  }
  console.log(table.toString());
}
