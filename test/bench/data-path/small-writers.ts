/**
 * Sixty-four clients, each with a connection of its own, that write a file of 4 KiB now and then. A process of its own;
 * prints the milliseconds from the last request of each file to its answer (CLOSE, at OpenSSH fsync and CLOSE).
 *
 * Argument, JSON: ports, folder, home, fsync, seconds, everyMs, writers.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import ssh2, { type SFTPWrapper } from 'ssh2';

export interface SmallWriters {
  readonly ports: readonly number[];
  readonly folder: string;
  readonly home: string;
  readonly fsync: boolean;
  readonly seconds: number;
  readonly everyMs: number;
  readonly writers: number;
}

const { ports, folder, home, fsync, seconds, everyMs, writers }: SmallWriters = JSON.parse(
  process.argv[2] ?? '',
);
const data = Buffer.alloc(4096, 7);
const closeMs: number[] = [];

function connect(port: number): Promise<SFTPWrapper> {
  const client = new ssh2.Client();
  return new Promise((resolve, reject) => {
    client.on('error', reject);
    client.on('ready', () =>
      client.sftp((error, sftp) => (error === undefined ? resolve(sftp) : reject(error))),
    );
    client.connect({
      host: '127.0.0.1',
      port,
      username: 'root',
      privateKey: readFileSync(join(home, 'key')),
      readyTimeout: 60_000,
    });
  });
}

async function write(sftp: SFTPWrapper, path: string): Promise<void> {
  const handle = await promisify(sftp.open.bind(sftp))(path, 'w');
  await new Promise<void>((resolve, reject) =>
    sftp.write(handle, data, 0, data.length, 0, (error) => (error ? reject(error) : resolve())),
  );
  const startedMs = performance.now();
  if (fsync) {
    await new Promise<void>((resolve, reject) =>
      sftp.ext_openssh_fsync(handle, (error) => (error ? reject(error) : resolve())),
    );
  }
  await new Promise<void>((resolve, reject) =>
    sftp.close(handle, (error) => (error ? reject(error) : resolve())),
  );
  closeMs.push(performance.now() - startedMs);
}

const sessions: SFTPWrapper[] = [];
for (let index = 0; index < writers; index++) sessions.push(await connect(ports[index % ports.length] ?? 0));
const untilMs = performance.now() + seconds * 1000;
await Promise.all(
  sessions.map(async (sftp, index) => {
    await sleep((everyMs * index) / writers);
    for (let file = 0; performance.now() < untilMs; file++) {
      await write(sftp, join(folder, `small-${index}-${file % 100}`));
      await sleep(everyMs);
    }
  }),
);
process.stdout.write(JSON.stringify(closeMs), () => process.exit());
