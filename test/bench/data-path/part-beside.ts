import { closeSync, ftruncateSync, openSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { sftp } from './client.ts';
import type { Entrant } from './entrant.ts';
import { quantile } from './measure.ts';
import { chosen } from './options.ts';
import type { Bench, Report } from './report.ts';
import { type Disk, type Server, startOurs, startSshd } from './servers.ts';
import type { SmallWriters } from './small-writers.ts';

const seconds = 6;
const writers = 64;
/** Each client pauses that long between two files, so that the machine is not full without the upload. */
const everyMs = 400;

const entrants: readonly Entrant[] = [
  { name: 'engine alone', follower: false },
  { name: 'engine and follower', follower: true },
  { name: 'credit of 4 MiB', follower: false, changes: { creditBytes: 4 * 1024 * 1024 } },
  { name: 'no flush behind', follower: false, changes: { flushBehindBytes: 0 } },
  { name: 'flush behind each MiB', follower: false, changes: { flushBehindBytes: 1024 * 1024 } },
  { name: 'flush behind each 64 MiB', follower: false, changes: { flushBehindBytes: 64 * 1024 * 1024 } },
  { name: 'pool of 4', follower: false, poolThreads: 4 },
  { name: 'pool of 4 with the writes', follower: false, changes: { write: 'pool' }, poolThreads: 4 },
  { name: 'payload thread', follower: false, changes: { write: 'thread' } },
  { name: '8 lanes', follower: false, changes: { flush: 'lanes' } },
];

async function smallWriters(bench: Bench, server: Server, lasting = seconds): Promise<number[]> {
  const told: SmallWriters = {
    ports: server.ports,
    folder: server.folder,
    home: bench.home,
    fsync: server.putFlags !== '',
    seconds: lasting,
    everyMs,
    writers,
  };
  const { stdout } = await execa(process.execPath, [
    join(import.meta.dirname, 'small-writers.ts'),
    JSON.stringify(told),
  ]);
  return JSON.parse(stdout);
}

function makeBigFile(home: string): string {
  const file = join(home, 'ten-gibibytes');
  const fd = openSync(file, 'w');
  ftruncateSync(fd, 10 * 2 ** 30);
  closeSync(fd);
  return file;
}

interface Measured {
  readonly alone: number[];
  readonly beside: number[];
  readonly bigMegabytesASecond: number;
}

/** The small ones alone, then amid the upload, which is broken off afterwards. */
async function measure(bench: Bench, server: Server, big: string): Promise<Measured> {
  await smallWriters(bench, server, 2);
  const alone = await smallWriters(bench, server);
  const aborter = new AbortController();
  const remote = join(server.folder, 'big');
  const uploading = sftp(server, [`put ${server.putFlags} ${big} ${remote}`], {
    ...bench,
    signal: aborter.signal,
  });
  await sleep(1500);
  const [root = ''] = server.roots;
  const bigBytes = () => statSync(join(root, 'big')).size;
  const before = { bytes: bigBytes(), atMs: performance.now() };
  const beside = await smallWriters(bench, server);
  const bigMegabytesASecond = (bigBytes() - before.bytes) / 1000 / (performance.now() - before.atMs);
  aborter.abort();
  await uploading;
  await sleep(500);
  for (const folder of server.roots) for (const name of readdirSync(folder)) rmSync(join(folder, name));
  return { alone, beside, bigMegabytesASecond };
}

const disks = [
  { name: 'as it is', flushMs: 0, slots: false },
  { name: '5 ms a flush', flushMs: 5, slots: false },
  { name: 'writes stall', flushMs: 1, slots: false, stallMs: 200 },
];

export async function besideBigUpload(bench: Bench): Promise<Report[]> {
  const rows: Report['rows'][number][] = [];
  const details: unknown[] = [];
  const big = makeBigFile(bench.home);
  for (const { name: diskName, ...model } of disks) {
    if (bench.flushMs !== null && !bench.flushMs.includes(model.flushMs)) continue;
    const disk: Disk = { ...model, library: bench.library };
    const starts = [
      ...(bench.only === null || bench.only.includes('OpenSSH') ? [() => startSshd(bench.home, disk)] : []),
      ...entrants
        .filter(({ name }) => bench.only === null || bench.only.includes(name))
        .map(({ changes, ...entrant }) => {
          const variant = { ...chosen, ...changes };
          return () => startOurs(bench.home, { ...entrant, variant, workers: 2, disk });
        }),
    ];
    for (const start of starts) {
      const server = await start();
      const measured = await measure(bench, server, big);
      const { alone, beside, bigMegabytesASecond } = measured;
      const of = (numbers: number[], share: number) => quantile(numbers, share).toFixed(1);
      rows.push({
        disk: diskName,
        '': server.name,
        'alone p50 ms': of(alone, 0.5),
        p99: of(alone, 0.99),
        'beside p50': of(beside, 0.5),
        'beside p99': of(beside, 0.99),
        'p50 ratio': (quantile(beside, 0.5) / quantile(alone, 0.5)).toFixed(1),
        'p99 ratio': (quantile(beside, 0.99) / quantile(alone, 0.99)).toFixed(1),
        'big MB/s': Math.round(bigMegabytesASecond),
        'engine MiB': server.memory().engine ?? '',
      });
      process.stderr.write(`${JSON.stringify(rows.at(-1))}\n`);
      details.push({ disk: diskName, name: server.name, ...measured });
      await server.stop();
    }
  }
  rmSync(big);
  return [{ title: `${writers} writers of 4 KiB beside an upload of 10 GiB`, rows, details }];
}
