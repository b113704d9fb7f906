/**
 * Uploads and downloads of one stream against OpenSSH's own server, with the same client and the same file, in turns.
 *
 *     node scripts/bench/sftp-throughput.ts [--mb 256] [--runs 5] [--cipher aes128-gcm@openssh.com]
 *
 * Needs root (for sshd) and Debian's openssh-server; build first. The storage engine is in the process of this script and
 * has no follower, so what is measured is node and engine and not a network. Prints ratios: above 1 the node is faster.
 */
import { randomBytes } from 'node:crypto';
import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { execa } from 'execa';
import { median } from '../../test/bench/median.ts';
import { sshdConfig } from '../../test/bench/sshd-config.ts';
import { bundle, NodeFixture } from '../../test/integration/sftp-node/fixture.ts';
import { waitFor } from '../../test/lab/wait.ts';

const { values } = parseArgs({
  options: {
    mb: { type: 'string', default: '256' },
    runs: { type: 'string', default: '5' },
    cipher: { type: 'string', default: 'chacha20-poly1305@openssh.com' },
  },
});
const megabytes = Number(values.mb);
const runs = Number(values.runs);

interface Server {
  readonly name: string;
  readonly login: string;
  readonly port: number;
  /** Where the uploaded file is, as the client names it. */
  readonly remote: string;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Debian's sshd with a configuration, keys and a port of its own. */
async function startSshd(node: NodeFixture): Promise<{ server: Server; stop: () => Promise<void> }> {
  const port = await freePort();
  const folder = join(node.folder, 'sshd');
  mkdirSync(folder);
  mkdirSync('/run/sshd', { recursive: true });
  await execa('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, 'key')]);
  const config = sshdConfig({
    listenAddress: '127.0.0.1',
    port: port,
    hostKey: join(folder, 'key'),
    authorizedKeys: `${node.keyFile}.pub`,
  });
  writeFileSync(join(folder, 'config'), config);
  const sshd = execa('/usr/sbin/sshd', ['-D', '-e', '-f', join(folder, 'config')], { reject: false });
  const server = { name: 'OpenSSH', login: 'root@127.0.0.1', port, remote: join(folder, 'uploaded') };
  const stop = async () => {
    sshd.kill();
    await sshd;
  };
  await waitFor('sshd', async () => (await transfer(server, node, '-mkdir /')).ms >= 0);
  return { server, stop };
}

async function transfer(
  { login, port }: Server,
  node: NodeFixture,
  command: string,
): Promise<{ ms: number }> {
  const options = ['IdentitiesOnly=yes', 'BatchMode=yes', 'StrictHostKeyChecking=no', 'LogLevel=ERROR'];
  options.push('UserKnownHostsFile=/dev/null', `Ciphers=${values.cipher}`);
  const args = ['-F', '/dev/null', '-i', node.keyFile, ...options.flatMap((option) => ['-o', option])];
  const startedMs = performance.now();
  await execa('sftp', [...args, '-P', String(port), '-b', '-', login], { input: `${command}\n` });
  return { ms: performance.now() - startedMs };
}

async function measure(node: NodeFixture, servers: readonly Server[]) {
  const file = join(node.folder, 'file');
  const block = randomBytes(1 << 20);
  for (let written = 0; written < megabytes; written++) appendFileSync(file, block);
  const rows = servers.map((server) => ({ server, up: [] as number[], down: [] as number[] }));
  for (let run = 0; run <= runs; run++) {
    for (const { server, up, down } of rows) {
      const put = await transfer(server, node, `put ${file} ${server.remote}`);
      const get = await transfer(server, node, `get ${server.remote} ${file}.back`);
      await transfer(server, node, `rm ${server.remote}`);
      // The first round warms caches and compilers.
      if (run === 0) continue;
      up.push((megabytes * 1000) / put.ms);
      down.push((megabytes * 1000) / get.ms);
      process.stderr.write(`${server.name}: ${up.at(-1)?.toFixed(0)} up, ${down.at(-1)?.toFixed(0)} down\n`);
    }
  }
  await execa('cmp', [file, `${file}.back`]);
  rmSync(`${file}.back`);
  return rows;
}

const node = new NodeFixture();
await node.prepare();
const { server: sshd, stop } = await startSshd(node);
try {
  await node.start({ program: bundle });
  await node.openGate(3_600_000);
  const ours = { name: 'Holdfast', login: 'alice@127.0.0.1', port: node.port, remote: 'uploaded' };
  const rows = await measure(node, [sshd, ours]);
  const table = new Table({ head: [`${values.cipher}, MiB/s`, 'up', 'down'], style: { head: [] } });
  for (const { server, up, down } of rows)
    table.push([server.name, median(up).toFixed(0), median(down).toFixed(0)]);
  const [theirs, own] = rows;
  if (theirs !== undefined && own !== undefined) {
    const ratio = (key: 'up' | 'down') => (median(own[key]) / median(theirs[key])).toFixed(2);
    table.push(['ratio', ratio('up'), ratio('down')]);
  }
  console.log(table.toString());
} finally {
  await stop();
  await node.dispose();
}
