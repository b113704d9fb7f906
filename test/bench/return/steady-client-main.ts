/**
 * A client that writes small files at a steady pace, over a few connections, until it is told to end. A process of its
 * own; prints a line for each request: when it was sent (CLOCK_MONOTONIC, ms), which one, and the milliseconds to its answer.
 *
 * Arguments: address, port, file of the key.
 */
import { readFileSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import ssh2, { type SFTPWrapper } from 'ssh2';

const connections = 4;
const everyMs = 25;
const data = Buffer.alloc(4096, 7);
const [host = '', port = '', keyFile = ''] = process.argv.slice(2);

function connect(): Promise<SFTPWrapper> {
  const client = new ssh2.Client();
  return new Promise((resolve, reject) => {
    client.on('error', reject);
    client.on('ready', () =>
      client.sftp((error, sftp) => (error === undefined ? resolve(sftp) : reject(error))),
    );
    client.connect({ host, port: Number(port), username: 'alice', privateKey: readFileSync(keyFile) });
  });
}

async function timed(request: string, work: () => Promise<unknown>): Promise<void> {
  const sentMs = Number(process.hrtime.bigint()) / 1e6;
  await work();
  const ms = Number(process.hrtime.bigint()) / 1e6 - sentMs;
  writeSync(1, `${sentMs.toFixed(3)} ${request} ${ms.toFixed(3)}\n`);
}

async function write(sftp: SFTPWrapper, path: string): Promise<void> {
  const handle = await promisify(sftp.open.bind(sftp))(path, 'w');
  await timed('WRITE', () => promisify(sftp.write.bind(sftp))(handle, data, 0, data.length, 0));
  await timed('CLOSE', () => promisify(sftp.close.bind(sftp))(handle));
}

const sessions = await Promise.all(Array.from({ length: connections }, connect));
await Promise.all(
  sessions.map(async (sftp, index) => {
    await sleep((everyMs * index) / connections);
    for (let file = 0; ; file++) {
      await write(sftp, `steady-${index}-${file % 100}`);
      await sleep(everyMs);
    }
  }),
);
