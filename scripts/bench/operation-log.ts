/**
 * node scripts/bench/operation-log.ts [--json] [folder]
 *
 * The operation log alone, on the disk of the folder: a turn (a batch of one and of 32 records) appended to the page
 * cache; a flush after each, with and without space allocated ahead; 64 writers that wait for each of theirs; opening a
 * log of 64 MiB, as it is and as one segment without a checkpoint; reading all of it. Medians in milliseconds or
 * microseconds, as named.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { logStart } from '../../replicator/core/position.ts';
import type { LogRecord } from '../../replicator/core/record.ts';
import { DiskFolder } from '../../replicator/log/log-files.ts';
import { defaultLogLimits, type OperationLogOptions } from '../../replicator/log/log-options.ts';
import { OperationLog } from '../../replicator/log/operation-log.ts';
import { median } from '../../test/bench/median.ts';

const { values, positionals } = parseArgs({ options: { json: { type: 'boolean' } }, allowPositionals: true });
const root = mkdtempSync(join(positionals[0] ?? tmpdir(), 'holdfast-bench-'));
const logBytes = 64 * 1024 * 1024;

const options: OperationLogOptions = {
  ...defaultLogLimits,
  identity: 'bench/root',
  heldAtLeast: 0,
  wallMs: () => Date.now(), // WallMs: the age of segments
  checkpointState: () => Buffer.alloc(64 * 1024),
};

let folders = 0;
async function newLog(
  more: Partial<OperationLogOptions> = {},
): Promise<{ log: OperationLog; folder: string }> {
  const folder = join(root, String(folders++));
  mkdirSync(folder);
  const log = await OperationLog.open(new DiskFolder(folder), { ...options, ...more });
  log.append([{ kind: 'leadership', epoch: 1, node: 'a', previous: logStart }]);
  await log.flush();
  return { log, folder };
}

function writes(count: number): LogRecord[] {
  return Array.from({ length: count }, (_, index) => ({
    kind: 'write',
    handle: 7,
    offset: index * 32_768,
    length: 32_768,
  }));
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}

async function turnUs(records: number): Promise<number> {
  const { log } = await newLog();
  const batch = writes(records);
  const took: number[] = [];
  for (let turn = 0; turn < 20_000; turn += 1) {
    const start = performance.now();
    log.append(batch);
    took.push((performance.now() - start) * 1000);
  }
  await log.close();
  return round(median(took));
}

async function flushMs(aheadBytes: number): Promise<number> {
  const { log } = await newLog({ aheadBytes });
  const took: number[] = [];
  for (let turn = 0; turn < 1000; turn += 1) {
    const start = performance.now();
    log.append(writes(1));
    await log.flush();
    took.push(performance.now() - start);
  }
  await log.close();
  return round(median(took));
}

async function barriersPerSecond(writers: number): Promise<number> {
  const { log } = await newLog();
  const barriers = 200;
  const start = performance.now();
  await Promise.all(
    Array.from({ length: writers }, async () => {
      for (let barrier = 0; barrier < barriers; barrier += 1) {
        log.append(writes(1));
        await log.flush();
      }
    }),
  );
  const seconds = (performance.now() - start) / 1000;
  await log.close();
  return Math.round((writers * barriers) / seconds);
}

/** A log whose batches have four writes each, 300,000 batches in 64 MiB. */
async function recovery(segmentBytes: number): Promise<Record<string, number>> {
  const more = { segmentBytes, maxBytes: 2 * logBytes };
  const { log, folder } = await newLog(more);
  const batch = writes(4);
  const bytesOfTurn = 24 + 36 + 4 * 30;
  for (let bytes = 0; bytes < logBytes; bytes += bytesOfTurn) log.append(batch);
  const { sequence } = log.position;
  await log.close();
  const opened: number[] = [];
  for (let run = 0; run < 5; run += 1) {
    const start = performance.now();
    const again = await OperationLog.open(new DiskFolder(folder), { ...options, ...more });
    opened.push(performance.now() - start);
    if (again.position.sequence !== sequence) throw new Error('it did not come back whole');
    await again.close();
  }
  const again = await OperationLog.open(new DiskFolder(folder), { ...options, ...more });
  const start = performance.now();
  await again.verify();
  const readMs = performance.now() - start;
  await again.close();
  return { openMs: round(median(opened)), readAllMs: round(readMs) };
}

try {
  const measured = {
    turnOfOneUs: await turnUs(1),
    turnOf32Us: await turnUs(32),
    flushMs: await flushMs(defaultLogLimits.aheadBytes),
    flushWithoutAllocationMs: await flushMs(8),
    barriersPerSecondOf1: await barriersPerSecond(1),
    barriersPerSecondOf64: await barriersPerSecond(64),
    log64MiB: await recovery(defaultLogLimits.segmentBytes),
    log64MiBOneSegment: await recovery(2 * logBytes),
    residentMiB: Math.round(process.memoryUsage().rss / 1024 / 1024),
  };
  console.log(values.json === true ? JSON.stringify(measured) : measured);
} finally {
  rmSync(root, { recursive: true });
}
