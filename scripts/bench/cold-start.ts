/**
 * node scripts/bench/cold-start.ts [runs]
 *
 * How long the SFTP node takes from spawn to `listening`, from the bundle, as the supervisor starts it: a part of every
 * failover; and how long one that was kept ready as a spare takes, as in a planned move. Prints minimum, median and
 * maximum of the runs, beside `node -e 0` as the floor.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import ssh2 from 'ssh2';

const runs = Number(process.argv[2] ?? 20);
const program = join(import.meta.dirname, '../../dist/sftp-node.js');
const folder = mkdtempSync(join(tmpdir(), 'holdfast-bench-'));

const settings = {
  cluster: 'bench',
  nodeId: 'a',
  listenAddress: '127.0.0.1',
  port: 22_022,
  configRoot: join(folder, 'config'),
  filesRoot: join(folder, 'files'),
  engineSocket: join(folder, 'engine.sock'),
  startups: { begin: 100, ratePercent: 30, full: 200, perSource: 10, kept: 20 },
  clientAliveIntervalMs: 0,
  clientAliveCountMax: 3,
  logLevel: 'error',
};

async function startMs(spare: boolean): Promise<number> {
  let startedMs = performance.now();
  const child = execa(process.execPath, [program], {
    ipc: true,
    reject: false,
    stdout: 'ignore',
    env: { NODE_COMPILE_CACHE: join(folder, 'cache') },
  });
  if (spare) {
    await child.sendMessage({ type: 'rehearse', settings });
    await child.getOneMessage();
    startedMs = performance.now();
  }
  await child.sendMessage({ type: 'start', epoch: 1, settings });
  const answer = (await child.getOneMessage()) as { type: string };
  const tookMs = performance.now() - startedMs;
  if (answer.type !== 'listening') throw new Error(JSON.stringify(answer));
  child.kill('SIGKILL');
  await child;
  return tookMs;
}

async function bareNodeMs(): Promise<number> {
  const startedMs = performance.now();
  await execa(process.execPath, ['-e', '0']);
  return performance.now() - startedMs;
}

function row(name: string, times: number[]): string {
  const sorted = times.toSorted((a, b) => a - b);
  const [min, median, max] = [0, 0.5, 1].map((part) => sorted[Math.round(part * (sorted.length - 1))] ?? 0);
  return `${name.padEnd(30)} min ${min?.toFixed(0)}  median ${median?.toFixed(0)}  max ${max?.toFixed(0)} ms`;
}

try {
  mkdirSync(join(folder, 'config/host_keys'), { recursive: true });
  mkdirSync(join(folder, 'files'));
  const { private: key } = ssh2.utils.generateKeyPairSync('ed25519');
  writeFileSync(join(folder, 'config/host_keys/ssh_host_ed25519_key'), key, { mode: 0o600 });
  writeFileSync(join(folder, 'config/users.yaml'), 'users:\n  - name: alice\n');
  await startMs(false);
  const cold: number[] = [];
  const spare: number[] = [];
  const floor: number[] = [];
  for (let run = 0; run < runs; run++) {
    cold.push(await startMs(false));
    spare.push(await startMs(true));
    floor.push(await bareNodeMs());
  }
  const rows = [
    row('SFTP node, spawn to listening', cold),
    row('from a spare', spare),
    row('node -e 0', floor),
  ];
  process.stdout.write(`${rows.join('\n')}\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
