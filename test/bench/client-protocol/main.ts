/**
 * What the way from a door to the storage engine costs: WRITEs of clients, in the pieces in which SSH delivers them,
 * through EngineClient and ClientServer into files. Two processes; MB/s, and CPU seconds a GB of each.
 *
 *     node test/bench/client-protocol/main.ts --mb 1000 --rounds 5 --json
 */
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { execa } from 'execa';
import pino from 'pino';
import { EngineClient } from '../../../sftp-node/engine/engine-client.ts';
import type { EngineSession } from '../../../sftp-node/engine/ports.ts';
import { median } from '../median.ts';

const { values } = parseArgs({
  options: {
    mb: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '5' },
    folder: { type: 'string', default: '/var/tmp' },
    json: { type: 'boolean', default: false },
  },
});
const totalBytes = Number(values.mb) * 1_000_000;
const home = mkdtempSync(join(values.folder, 'holdfast-client-protocol-'));
const path = join(home, 'engine.sock');
/** Of one SSH packet, as clients send it. */
const pieceBytes = 32 * 1024;
const source = Buffer.alloc(8 * 1024 * 1024, 'data that is written');

interface Run {
  readonly name: string;
  readonly engine: 'bare' | 'engine';
  readonly run: () => Promise<void>;
}

function bare(): Promise<void> {
  const socket = connect(path);
  return new Promise((resolve) => {
    let left = totalBytes;
    const more = () => {
      while (left > 0) {
        const chunk = source.subarray(0, Math.min(256 * 1024, left));
        left -= chunk.length;
        if (!socket.write(chunk)) {
          socket.once('drain', more);
          return;
        }
      }
      socket.end();
    };
    socket.once('connect', more);
    socket.once('close', () => resolve());
    socket.resume();
  });
}

/** As the SFTP session does: it reads on only with credit, and the replies leave with the turn in which they may. */
async function upload(
  session: EngineSession,
  name: string,
  bytes: number,
  writeBytes: number,
): Promise<void> {
  const flags = { read: false, write: true, append: false, create: true, exclusive: false, truncate: true };
  const { handle } = await session.open({ kind: 'open', path: Buffer.from(name), flags, mode: 0o644 });
  let failed: unknown = null;
  for (let offset = 0; offset < bytes; ) {
    while (!session.hasCredit) await session.credit();
    const end = Math.min(bytes, offset + pieceBytes);
    const at = offset % source.length;
    const data = source.subarray(at, at + end - offset);
    const last = end % writeBytes === 0 || end === bytes;
    session.write({ handle, offset, data, last })?.catch((error) => {
      failed = error;
    });
    offset = end;
    // A chunk of the channel has a few pieces; then the event loop turns.
    if (offset % (4 * pieceBytes) === 0) await new Promise<void>((resolve) => setImmediate(resolve));
  }
  await session.change({ kind: 'close', handle });
  if (failed !== null) throw failed;
}

async function uploads(count: number, writeBytes: number): Promise<void> {
  const client = new EngineClient({ path, epoch: 1, door: 'bench', log: pino({ level: 'error' }) });
  const grant = { root: Buffer.alloc(0), makeRoot: null, mayChange: true, account: '' };
  const each = Math.floor(totalBytes / count);
  await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const session = await client.beginSession(grant, { patienceMs: 10_000 });
      await upload(session, `file-${index}`, each, writeBytes);
      await session.end();
    }),
  );
  client.close();
  for (let index = 0; index < count; index++)
    if (statSync(join(home, `file-${index}`)).size !== each) throw new Error('bytes are missing');
}

function cpuSeconds(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function residentMiB(pid: number): number {
  const [, kibibytes] = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? [];
  return Math.round(Number(kibibytes) / 1024);
}

const runs: Run[] = [
  { name: 'bare socket to file', engine: 'bare', run: bare },
  { name: '1 session, WRITEs of 32 KiB', engine: 'engine', run: () => uploads(1, 32 * 1024) },
  { name: '1 session, WRITEs of 256 KiB', engine: 'engine', run: () => uploads(1, 256 * 1024) },
  { name: '8 sessions, WRITEs of 32 KiB', engine: 'engine', run: () => uploads(8, 32 * 1024) },
];

async function measure({ engine, run }: Run) {
  rmSync(path, { force: true });
  const child = execa(process.execPath, [join(import.meta.dirname, 'engine.ts'), engine, path, home], {
    reject: false,
    stderr: 'inherit',
    buffer: false,
  });
  await once(child.stdout, 'data');
  const pid = child.pid ?? 0;
  const [engineBefore, doorBefore, startedMs] = [cpuSeconds(pid), cpuSeconds(process.pid), performance.now()];
  await run();
  const ms = performance.now() - startedMs;
  const gigabytes = totalBytes / 1e9;
  const result = {
    megabytesASecond: totalBytes / 1000 / ms,
    doorCpuSecondsAGigabyte: (cpuSeconds(process.pid) - doorBefore) / gigabytes,
    engineCpuSecondsAGigabyte: (cpuSeconds(pid) - engineBefore) / gigabytes,
    engineMiB: residentMiB(pid),
  };
  child.kill();
  await child;
  return result;
}

try {
  const results = new Map(runs.map(({ name }) => [name, [] as Awaited<ReturnType<typeof measure>>[]]));
  for (let round = 0; round < Number(values.rounds); round++)
    for (const run of runs) results.get(run.name)?.push(await measure(run));
  const rows = [...results].map(([name, all]) => ({
    name,
    megabytesASecond: Math.round(median(all.map((one) => one.megabytesASecond))),
    doorCpuSecondsAGigabyte: Number(median(all.map((one) => one.doorCpuSecondsAGigabyte)).toFixed(2)),
    engineCpuSecondsAGigabyte: Number(median(all.map((one) => one.engineCpuSecondsAGigabyte)).toFixed(2)),
    engineMiB: median(all.map((one) => one.engineMiB)),
  }));
  if (values.json) console.log(JSON.stringify({ bytes: totalBytes, rounds: Number(values.rounds), rows }));
  else console.table(rows);
} finally {
  rmSync(home, { recursive: true, force: true });
}
