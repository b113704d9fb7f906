import { randomBytes } from 'node:crypto';
import { appendFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { sftp, sshOptions } from './client.ts';
import { type Contestant, compare, type Result } from './measure.ts';
import { chosen, type Variant } from './options.ts';
import type { Bench, Report } from './report.ts';
import { clean, type Server, startOurs, startSshd } from './servers.ts';

const quick = { flushMs: 0, slots: false, library: '' };

function makeFile(home: string, megabytes: number): string {
  const file = join(home, `file-${megabytes}`);
  const block = randomBytes(1 << 20);
  for (let written = 0; written < megabytes; written++) appendFileSync(file, block);
  return file;
}

function upload(bench: Bench, server: Server, file: string, streams: number): Contestant {
  const names = Array.from({ length: streams }, (_, index) => `uploaded-${index}`);
  return {
    name: server.name,
    server,
    async run() {
      await Promise.all(
        names.map((name, client) =>
          sftp(server, [`put ${server.putFlags} ${file} ${join(server.folder, name)}`], { ...bench, client }),
        ),
      );
    },
    async verify() {
      for (const root of server.roots) for (const name of names) await execa('cmp', [file, join(root, name)]);
    },
    clean: () => clean(server, names),
  };
}

/** What people do today: a durable upload, then a copy to the peer. */
function uploadAndRsync(bench: Bench, server: Server, file: string, streams: number): Contestant {
  const plain = upload(bench, server, file, streams);
  const ssh = ['ssh', ...sshOptions(bench.home, bench.cipher), '-p', String(server.ports[0])].join(' ');
  const peer = join(bench.home, 'rsync-peer');
  return {
    ...plain,
    name: 'OpenSSH, then rsync -a',
    async run() {
      await plain.run();
      await execa('rsync', ['-a', '-e', ssh, `${server.folder}/`, `root@127.0.0.1:${peer}/`]);
    },
    clean() {
      plain.clean();
      rmSync(peer, { recursive: true, force: true });
    },
  };
}

/** What each round pays before its first byte. */
function login(bench: Bench, server: Server, streams: number): Contestant {
  const clients = Array.from({ length: streams }, (_, client) => client);
  return {
    name: `${server.name}: logins alone`,
    server,
    async run() {
      await Promise.all(clients.map((client) => sftp(server, [], { ...bench, client })));
    },
    verify: async () => {},
    clean: () => {},
  };
}

function rowsOf(results: readonly Result[], megabytes: number): Report['rows'] {
  const base = results[0]?.ms ?? Number.NaN;
  return results.map(({ name, ms, cpu }) => {
    const gigabytes = (megabytes * 1024 * 1024) / 1e9;
    const perGigabyte = Object.entries(cpu)
      .map(([thread, seconds]) => [thread, seconds / gigabytes] as const)
      .filter(([, seconds]) => seconds >= 0.03);
    const total = perGigabyte.reduce((sum, [, seconds]) => sum + seconds, 0);
    return {
      '': name,
      ms: Math.round(ms),
      'MB/s': Math.round((gigabytes * 1e6) / ms),
      'times OpenSSH': (base / ms).toFixed(2),
      'CPU s/GB': total.toFixed(2),
      of: perGigabyte.map(([thread, seconds]) => `${thread} ${seconds.toFixed(2)}`).join('\n'),
    };
  });
}

export async function streams(bench: Bench): Promise<Report[]> {
  const reports: Report[] = [];
  for (const [count, each] of [
    [1, bench.megabytes],
    [8, Math.round(bench.megabytes / 4)],
  ] as const) {
    const file = makeFile(bench.home, each);
    const workers = count > 1 ? 2 : 1;
    const sshd = await startSshd(bench.home, quick);
    const shared = { variant: chosen, workers, disk: quick };
    const alone = await startOurs(bench.home, { ...shared, name: 'engine alone', follower: false });
    const pair = await startOurs(bench.home, { ...shared, name: 'engine and follower', follower: true });
    const contestants = [sshd, alone, pair].map((server) => upload(bench, server, file, count));
    contestants.push(uploadAndRsync(bench, sshd, file, count));
    contestants.push(login(bench, sshd, count), login(bench, alone, count));
    const results = await compare(contestants, bench.rounds);
    const title = `${count} stream(s) of ${each} MiB, ${workers} worker(s)`;
    reports.push({ title, rows: rowsOf(results, count * each), details: results });
    for (const server of [sshd, alone, pair]) await server.stop();
    rmSync(file);
  }
  return reports;
}

const others: Record<string, Partial<Variant>> = {
  chosen: {},
  'receive chunks': { receive: 'chunks', tls: 'transfer' },
  'payload thread': { write: 'thread' },
  'pwrite in pool': { write: 'pool' },
  'worker writes itself': { write: 'worker' },
  'one pwrite a WRITE': { gather: false },
  'a frame a piece': { frameBytes: 0 },
  'credit of 4 MiB': { creditBytes: 4 * 1024 * 1024 },
  'frames of 1 MiB': { frameBytes: 1024 * 1024 },
  'flush in lanes': { flush: 'lanes' },
  'no flush behind': { flushBehindBytes: 0 },
  'flush behind each MiB': { flushBehindBytes: 1024 * 1024 },
  'ssh reads 256 KiB': { sshReadBytes: 256 * 1024 },
};

const othersWithFollower: Record<string, Partial<Variant>> = {
  chosen: {},
  'TLS inline': { tls: 'inline' },
  'TLS by transfer': { receive: 'chunks', tls: 'transfer' },
  'payload thread': { write: 'thread' },
  'follower TLS in a thread': { followerTls: 'thread' },
  'no flush behind': { flushBehindBytes: 0 },
};

export async function variants(bench: Bench): Promise<Report[]> {
  const reports: Report[] = [];
  const file = makeFile(bench.home, bench.megabytes);
  for (const [follower, table] of [
    [false, others],
    [true, othersWithFollower],
  ] as const) {
    const servers: Server[] = [await startSshd(bench.home, quick)];
    for (const [name, changes] of Object.entries(table)) {
      if (bench.only !== null && !bench.only.includes(name)) continue;
      const variant = { ...chosen, ...changes };
      servers.push(await startOurs(bench.home, { name, variant, follower, workers: 1, disk: quick }));
    }
    const results = await compare(
      servers.map((server) => upload(bench, server, file, 1)),
      bench.rounds,
    );
    const title = `variants, one stream of ${bench.megabytes} MiB, ${follower ? 'sync' : 'no'} follower`;
    reports.push({ title, rows: rowsOf(results, bench.megabytes), details: results });
    for (const server of servers) await server.stop();
  }
  rmSync(file);
  return reports;
}
