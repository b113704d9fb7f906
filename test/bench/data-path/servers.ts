import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { execa } from 'execa';
import { sshdConfig } from '../sshd-config.ts';
import { cpuByThread, cpuOfEndedChildren, residentMebibytes } from './cpu.ts';
import type { Options, Variant } from './options.ts';

/** Something that takes uploads. */
export interface Server {
  readonly name: string;
  /** One for each worker; clients are spread over them. */
  readonly ports: readonly number[];
  /** The remote folder, as the client names it. */
  readonly folder: string;
  /** Where the uploaded files are on this machine, and on the follower if there is one. */
  readonly roots: readonly string[];
  readonly putFlags: string;
  /** CPU seconds so far, of each process and thread. */
  cpu(): Map<string, number>;
  /** Resident MiB of each process now. */
  memory(): Record<string, number>;
  stop(): Promise<void>;
}

export interface Disk {
  readonly flushMs: number;
  readonly slots: boolean;
  /** What a large write takes each 64 MiB. */
  readonly stallMs?: number;
  /** The LD_PRELOAD library. */
  readonly library: string;
}

function environmentOf({ flushMs, slots, library, stallMs = 0 }: Disk): Record<string, string> {
  if (flushMs + stallMs === 0) return {};
  const model = { LD_PRELOAD: library, FLUSH_MS: String(flushMs), STALL_MS: String(stallMs) };
  return { ...model, ...(slots ? { FLUSH_SLOTS: '1' } : {}) };
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

export async function startSshd(home: string, disk: Disk): Promise<Server> {
  const port = await freePort();
  const folder = join(home, `sshd-${port}`);
  const files = join(folder, 'files');
  mkdirSync(files, { recursive: true });
  mkdirSync('/run/sshd', { recursive: true });
  const config = sshdConfig({
    listenAddress: '127.0.0.1',
    port,
    hostKey: join(home, 'key'),
    authorizedKeys: join(home, 'key.pub'),
  });
  writeFileSync(join(folder, 'config'), config);
  const args = ['-D', '-e', '-f', join(folder, 'config')];
  const sshd = execa('/usr/sbin/sshd', args, { reject: false, env: environmentOf(disk), buffer: false });
  await once(sshd.stderr, 'data');
  return {
    name: 'OpenSSH',
    ports: [port],
    folder: files,
    roots: [files],
    putFlags: '-f',
    memory: () => ({}),
    cpu: () => new Map([['sshd', cpuOfEndedChildren(sshd.pid ?? 0)]]),
    async stop() {
      sshd.kill();
      await sshd;
    },
  };
}

interface OurOptions {
  readonly name: string;
  readonly variant: Variant;
  readonly follower: boolean;
  readonly workers: number;
  readonly disk: Disk;
  readonly poolThreads?: number;
}

export async function startOurs(home: string, ours: OurOptions): Promise<Server> {
  const { name, variant, follower, workers, disk, poolThreads = 64 } = ours;
  const folder = join(home, `ours-${await freePort()}`);
  const roots = [join(folder, 'files'), ...(follower ? [join(folder, 'peer')] : [])];
  for (const root of roots) mkdirSync(root, { recursive: true });
  for (const file of ['key', 'tls.key', 'tls.crt']) await execa('cp', [join(home, file), folder]);
  const common = { folder, engineSocket: join(folder, 'engine.sock'), variant };
  const followerPort = follower ? await freePort() : null;
  const ports = await Promise.all(Array.from({ length: workers }, freePort));
  const env = { ...environmentOf(disk), UV_THREADPOOL_SIZE: String(poolThreads) };
  const processes = new Map<string, ReturnType<typeof start>>();
  const start = (program: string, options: Options) =>
    execa(process.execPath, [join(import.meta.dirname, program), JSON.stringify(options)], {
      env,
      reject: false,
      stderr: 'inherit',
      buffer: false,
    });
  const run = async (as: string, program: string, options: Options) => {
    const started = start(program, options);
    processes.set(as, started);
    await once(started.stdout, 'data');
  };
  const base: Options = { ...common, root: roots[0] ?? '', followerPort, port: 0, worker: 0 };
  if (follower) await run('follower', 'follower.ts', { ...base, root: roots[1] ?? '' });
  await run('engine', 'engine.ts', base);
  for (const [index, port] of ports.entries())
    await run(`worker${workers > 1 ? index + 1 : ''}`, 'worker.ts', { ...base, port, worker: index + 1 });
  return {
    name,
    ports,
    folder: '',
    roots,
    putFlags: '',
    cpu() {
      const seconds = new Map<string, number>();
      for (const [as, { pid = 0 }] of processes)
        for (const [thread, spent] of cpuByThread(pid)) seconds.set(`${as} ${thread}`, spent);
      return seconds;
    },
    memory: () => Object.fromEntries([...processes].map(([as, { pid = 0 }]) => [as, residentMebibytes(pid)])),
    async stop() {
      for (const process of processes.values()) process.kill();
      await Promise.all(processes.values());
    },
  };
}

/** Takes away what was uploaded; not measured. */
export function clean(server: Server, names: readonly string[]): void {
  for (const root of server.roots)
    for (const name of names) rmSync(join(root, name), { recursive: true, force: true });
}
