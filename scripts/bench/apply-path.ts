/**
 * What the engine's apply path costs beside plain calls: small files made, written and closed, and writes of 32 KiB, both
 * in the page cache. `node scripts/bench/apply-path.ts [FOLDER]`: one JSON object on the standard output, medians of
 * rounds. Nothing is flushed.
 */
import { closeSync, constants, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Applier } from '../../replicator/apply/applier.ts';
import { Directories } from '../../replicator/apply/directories.ts';
import { DirtyFiles } from '../../replicator/apply/dirty-files.ts';
import { Flusher } from '../../replicator/apply/flusher.ts';
import { ownCredentials } from '../../replicator/apply/permissions.ts';
import { Preconditions } from '../../replicator/apply/preconditions.ts';
import { Resolver } from '../../replicator/apply/resolver.ts';
import { freeSpaceOf, Space } from '../../replicator/apply/space.ts';
import { Unlocked } from '../../replicator/apply/unlocked.ts';
import type { LogRecord } from '../../replicator/core/record.ts';
import { median } from '../../test/bench/median.ts';

const rounds = 9;
const filesPerRound = 2000;
const writesPerRound = 4000;
const [folderAsked = tmpdir()] = process.argv.slice(2);
const small = Buffer.alloc(4096, 1);
const large = Buffer.alloc(32_768, 1);
const home = 'homes/alice/in/2026';

/** @param cached directories that are kept open */
function engine(root: string, cached: number) {
  const directories = new Directories(root, cached);
  const unlocked = new Unlocked(directories, `${root}.modes`);
  const places = { directories, unlocked };
  const dirty = new DirtyFiles(closeSync);
  const applier = new Applier(places, dirty);
  // A disk that takes no time: what is measured is the way to it.
  const nothing = async () => {};
  const flusher = new Flusher(dirty, { fsync: nothing, fdatasync: nothing }, { onFailed() {}, onRoom() {} });
  const space = new Space(() => freeSpaceOf(root));
  const fileOf = (handle: number) => applier.fileOf(handle);
  const preconditions = new Preconditions({ places, dirty, space, credentials: ownCredentials(), fileOf });
  const resolver = new Resolver(directories);
  return { applier, flusher, preconditions, resolver };
}

const root = mkdtempSync(join(folderAsked, 'holdfast-bench-'));
mkdirSync(join(root, home), { recursive: true });
process.umask(0);
let last = 0;

function plainFile(): void {
  last += 1;
  const fd = openSync(
    join(root, home, `f${last}`),
    constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW,
    0o644,
  );
  writeSync(fd, small, 0, small.length, 0);
  closeSync(fd);
}

function fileBy(parts: ReturnType<typeof engine>, leads: boolean): () => void {
  const { applier, preconditions, resolver } = parts;
  const grant = Buffer.from('homes/alice');
  const checked = (record: LogRecord, data?: Buffer) => {
    if (leads && preconditions.refusal(record) !== null) throw new Error('refused');
    applier.apply(record, data);
  };
  return () => {
    last += 1;
    const path = leads
      ? resolver.resolve(grant, Buffer.from(`/in/2026/f${last}`), { follow: true }).path
      : Buffer.from(`${home}/f${last}`);
    checked({ kind: 'open', handle: 1, path, created: true, truncate: true, mode: 0o644, otherNames: [] });
    checked({ kind: 'write', handle: 1, offset: 0, length: small.length }, small);
    checked({ kind: 'close', handle: 1 });
  };
}

const results: Record<string, { perSecond: number; cpuUs: number }[]> = {};

/** Notes operations a second, and the CPU that one takes in microseconds, which other load disturbs less. */
async function measure(
  name: string,
  count: number,
  work: (n: number) => void,
  settle: () => Promise<void> = async () => {},
): Promise<void> {
  const start = performance.now();
  const cpu = process.cpuUsage();
  for (let n = 0; n < count; n++) {
    work(n);
    // As a turn of the event loop ends; what is closed is let go.
    if (n % 64 === 63) await settle();
  }
  const { user, system } = process.cpuUsage(cpu);
  const seconds = (performance.now() - start) / 1000;
  results[name] = [...(results[name] ?? []), { perSecond: count / seconds, cpuUs: (user + system) / count }];
}

function clear(): void {
  rmSync(join(root, home), { recursive: true });
  mkdirSync(join(root, home));
}

const variants = {
  'apply, 64 directories kept': { parts: engine(root, 64), leads: false },
  'apply, none kept': { parts: engine(root, 0), leads: false },
  'resolve, check and apply, 64 kept': { parts: engine(root, 64), leads: true },
  'resolve, check and apply, none kept': { parts: engine(root, 0), leads: true },
};
for (let round = 0; round < rounds; round++) {
  await measure('files: plain calls', filesPerRound, plainFile);
  clear();
  for (const [name, { parts, leads }] of Object.entries(variants)) {
    const everything = () => parts.flusher.everything();
    await measure(`files: ${name}`, filesPerRound, fileBy(parts, leads), everything);
    await everything();
    clear();
  }
  const fd = openSync(join(root, home, 'plain'), 'w');
  await measure('writes: plain calls', writesPerRound, (n) => {
    writeSync(fd, large, 0, large.length, n * large.length);
  });
  closeSync(fd);
  for (const name of ['apply, 64 directories kept', 'resolve, check and apply, 64 kept'] as const) {
    clear();
    const { parts, leads } = variants[name];
    const path = Buffer.from(`${home}/large`);
    parts.applier.apply({
      kind: 'open',
      handle: 1,
      path,
      created: true,
      truncate: true,
      mode: 0o644,
      otherNames: [],
    });
    await measure(`writes: ${name}`, writesPerRound, (n) => {
      const record = { kind: 'write', handle: 1, offset: n * large.length, length: large.length } as const;
      if (leads && parts.preconditions.refusal(record) !== null) throw new Error('refused');
      parts.applier.apply(record, large);
    });
    parts.applier.apply({ kind: 'close', handle: 1 });
    await parts.flusher.everything();
  }
  clear();
}
rmSync(root, { recursive: true });
rmSync(`${root}.modes`, { force: true });

const medians = Object.fromEntries(
  Object.entries(results).map(([name, all]) => [
    name,
    {
      perSecond: Math.round(median(all.map(({ perSecond }) => perSecond))),
      cpuUs: Math.round(median(all.map(({ cpuUs }) => cpuUs)) * 10) / 10,
    },
  ]),
);
process.stdout.write(`${JSON.stringify({ folder: folderAsked, rounds, medians }, null, 2)}\n`);
