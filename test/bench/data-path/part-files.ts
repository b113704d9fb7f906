import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { sftp } from './client.ts';
import type { Entrant } from './entrant.ts';
import { type Contestant, compare, type Result } from './measure.ts';
import { chosen } from './options.ts';
import type { Bench, Report } from './report.ts';
import { clean, type Disk, type Server, startOurs, startSshd } from './servers.ts';

/** Files of 4 KiB: how many clients, each with so many folders, of so many files. */
interface Load {
  readonly name: string;
  readonly clients: number;
  readonly folders: number;
  readonly each: number;
}

const loads: readonly Load[] = [
  { name: '1000 in one folder', clients: 1, folders: 1, each: 1000 },
  { name: '1000 in 100 folders', clients: 1, folders: 100, each: 10 },
  { name: '64 clients with 50 each', clients: 64, folders: 1, each: 50 },
];

const entrants: readonly Entrant[] = [
  { name: 'engine alone', follower: false },
  { name: 'engine and follower', follower: true },
  { name: 'no activation', follower: true, changes: { activation: false } },
  { name: 'pool of 4', follower: true, poolThreads: 4 },
  { name: '8 lanes', follower: true, changes: { flush: 'lanes' } },
  { name: '32 lanes', follower: true, changes: { flush: 'lanes', barrierThreads: 32 } },
];

function makeTree(home: string, { folders, each }: Load): string {
  const tree = join(home, `tree-${folders}-${each}`);
  for (let folder = 0; folder < folders; folder++) {
    const path = folders === 1 ? tree : join(tree, `folder-${folder}`);
    mkdirSync(path, { recursive: true });
    for (let file = 0; file < each; file++) writeFileSync(join(path, `file-${file}`), randomBytes(4096));
  }
  return tree;
}

function upload(bench: Bench, server: Server, tree: string, { clients }: Load): Contestant {
  const names = Array.from({ length: clients }, (_, index) => `tree-${index}`);
  const { folder, putFlags } = server;
  return {
    name: server.name,
    server,
    async run() {
      await Promise.all(
        names.map((name, client) =>
          sftp(server, [`put ${putFlags} -r ${tree} ${join(folder, name)}`], { ...bench, client }),
        ),
      );
    },
    async verify() {
      for (const root of server.roots)
        for (const name of names) await execa('diff', ['-rq', tree, join(root, name)]);
    },
    clean: () => clean(server, names),
  };
}

function rowsOf(results: readonly Result[], load: Load, disk: string): Report['rows'] {
  const files = load.clients * load.folders * load.each;
  const base = results[0]?.ms ?? Number.NaN;
  return results.map(({ name, ms, cpu, memory }) => ({
    disk,
    load: load.name,
    '': name,
    ms: Math.round(ms),
    'files/s': Math.round((files * 1000) / ms),
    'times OpenSSH': (base / ms).toFixed(2),
    'CPU ms a file': ((Object.values(cpu).reduce((sum, seconds) => sum + seconds, 0) * 1000) / files).toFixed(
      2,
    ),
    'engine MiB': memory.engine ?? '',
  }));
}

const disks = [
  { name: 'as it is', flushMs: 0, slots: false },
  { name: '5 ms a flush', flushMs: 5, slots: false },
  { name: '5 ms a commit', flushMs: 5, slots: true },
];

export async function manyFiles(bench: Bench): Promise<Report[]> {
  const rows: Report['rows'][number][] = [];
  const details: unknown[] = [];
  const trees = loads.map((load) => makeTree(bench.home, load));
  for (const { name: diskName, ...model } of disks) {
    if (bench.flushMs !== null && !bench.flushMs.includes(model.flushMs)) continue;
    const disk: Disk = { ...model, library: bench.library };
    const servers = [await startSshd(bench.home, disk)];
    for (const { changes, ...entrant } of entrants) {
      if (bench.only !== null && !bench.only.includes(entrant.name)) continue;
      const variant = { ...chosen, ...changes };
      servers.push(await startOurs(bench.home, { ...entrant, variant, workers: 2, disk }));
    }
    const asked = loads.filter(({ name }) => bench.only?.includes(name));
    for (const [index, load] of loads.entries()) {
      if (asked.length > 0 && !asked.includes(load)) continue;
      const contestants = servers.map((server) => upload(bench, server, trees[index] ?? '', load));
      const results = await compare(contestants, bench.rounds);
      rows.push(...rowsOf(results, load, diskName));
      details.push({ disk: diskName, load, results });
    }
    for (const server of servers) await server.stop();
  }
  for (const tree of trees) rmSync(tree, { recursive: true });
  return [{ title: 'files of 4 KiB, put -r', rows, details }];
}
