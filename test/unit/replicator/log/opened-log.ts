import { logStart } from '../../../../replicator/core/position.ts';
import type { LogRecord } from '../../../../replicator/core/record.ts';
import type { LoggedBatch } from '../../../../replicator/log/batch-reader.ts';
import type { EntrySinceCheckpoint } from '../../../../replicator/log/entries-since.ts';
import type { OperationLogOptions } from '../../../../replicator/log/log-options.ts';
import { OperationLog } from '../../../../replicator/log/operation-log.ts';
import { leadership } from './random-records.ts';
import type { VirtualDisk } from './virtual-disk.ts';

export const logOptions: OperationLogOptions = {
  identity: 'cluster/root',
  heldAtLeast: 0,
  segmentBytes: 1024 * 1024,
  maxBytes: 64 * 1024 * 1024,
  maxAgeMs: Number.MAX_SAFE_INTEGER,
  aheadBytes: 4096,
  wallMs: () => 1_764_000_000_000,
  checkpointState: () => Buffer.from('state'),
};

export function openLog(
  disk: VirtualDisk,
  options: Partial<OperationLogOptions> = {},
): Promise<OperationLog> {
  return OperationLog.open(disk, { ...logOptions, ...options });
}

/** With the first leadership. */
export async function openLed(
  disk: VirtualDisk,
  options: Partial<OperationLogOptions> = {},
): Promise<OperationLog> {
  const log = await openLog(disk, options);
  log.append([leadership(1, logStart)]);
  return log;
}

export function removal(name: string): LogRecord {
  return { kind: 'remove', path: Buffer.from(name) };
}

export async function readAll(log: OperationLog, from = log.start.sequence + 1): Promise<LoggedBatch[]> {
  const batches: LoggedBatch[] = [];
  for await (const batch of log.read(from)) batches.push(batch);
  return batches;
}

export async function payloadsOf(log: OperationLog, from?: number): Promise<string[]> {
  return (await readAll(log, from)).map(({ payload }) => payload.toString('hex'));
}

export async function sinceCheckpoint(log: OperationLog): Promise<EntrySinceCheckpoint[]> {
  const entries: EntrySinceCheckpoint[] = [];
  for await (const entry of log.sinceCheckpoint()) entries.push(entry);
  return entries;
}

/** All that a log says of itself. */
export function summary({ position, chain, epochs, handles, start }: OperationLog): unknown {
  return { position, chain: chain.toString('hex'), epochs, handles: new Map(handles), start };
}
