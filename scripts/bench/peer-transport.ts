/**
 * What it costs to carry file data from a leader to a follower: the replicator's transport (TLS) beside the one before
 * it (ssh2), in turns, between two processes on loopback.
 *
 *     node scripts/bench/peer-transport.ts [--mb 1024] [--runs 5] [--block 32768]
 *
 * Both carry the same frames by the same channel code, gathered as the leader gathers operations. Prints medians: MB/s,
 * and the CPU seconds a GB of each side, kernel included.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { execa } from 'execa';
import pino from 'pino';
import ssh2 from 'ssh2';
import { bootTimeMs } from '#contracts/boot-time.ts';
import { encodeData } from '../../replicator/protocol/codec.ts';
import { toFollowerSchema, toLeaderSchema } from '../../replicator/protocol/message.ts';
import { PeerChannel } from '../../replicator/protocol/peer-channel.ts';
import { newKey } from '../../replicator/state/new-key.ts';
import { dialPeer } from '../../replicator/transport/dialer.ts';
import { listenForPeers } from '../../replicator/transport/listener.ts';
import { tlsOptions } from '../../replicator/transport/tls.ts';

const { values } = parseArgs({
  options: {
    mb: { type: 'string', default: '1024' },
    runs: { type: 'string', default: '5' },
    block: { type: 'string', default: '32768' },
    /** What the other process is told. */
    receive: { type: 'string' },
  },
});
const totalBytes = Number(values.mb) * 1e6;
const gatheredBytes = 128 * 1024;

type Key = ReturnType<typeof newKey>;
interface Task {
  readonly transport: 'ssh2' | 'TLS';
  readonly port: number;
  readonly bytes: number;
  readonly leader: Key;
  readonly follower: Key;
}

/** Seconds of CPU, user and system, that this process took. */
function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

const algorithms = { cipher: ['aes128-gcm@openssh.com' as const], compress: ['none' as const] };

async function dialSsh({ port, follower }: Task): Promise<Duplex> {
  const client = new ssh2.Client();
  client.connect({
    host: '127.0.0.1',
    port,
    username: 'follower',
    privateKey: follower.privateKey,
    algorithms,
    hostVerifier: () => true,
  });
  await once(client, 'ready');
  client.setNoDelay(true);
  return new Promise((resolve, reject) =>
    client.subsys('bench', (error, channel) => (error ? reject(error) : resolve(channel))),
  );
}

async function dialTls({ port, leader, follower }: Task): Promise<Duplex> {
  const peer = { nodeId: 'leader', address: '127.0.0.1', port, publicKey: leader.publicKey, alive: true };
  const dialed = await dialPeer(peer, tlsOptions(follower, 'follower'), new AbortController().signal);
  return dialed.channel;
}

/** The follower's process: tells how long it took from the first byte, and its CPU. */
async function receive(task: Task): Promise<void> {
  const stream = await (task.transport === 'ssh2' ? dialSsh(task) : dialTls(task));
  const channel = new PeerChannel(stream, toFollowerSchema, bootTimeMs);
  let received = 0;
  let [startedMs, cpu] = [0, 0];
  channel.receive((message) => {
    if (message.type !== 'data') return;
    if (received === 0) [startedMs, cpu] = [performance.now(), cpuSeconds()];
    received += message.data.length;
    if (received < task.bytes) return;
    const seconds = (performance.now() - startedMs) / 1000;
    process.stdout.write(JSON.stringify({ seconds, cpu: cpuSeconds() - cpu }), () => process.exit());
  });
}

/** Serves one follower after the other. */
class Leader {
  readonly key = newKey('ed25519');
  readonly follower = newKey('ed25519');
  onChannel: (stream: Duplex) => void = () => {};

  async listenTls(): Promise<number> {
    const { publicKey } = this.follower;
    const peer = { nodeId: 'follower', address: '127.0.0.1', port: 0, publicKey, alive: true };
    const { port } = await listenForPeers({
      address: '127.0.0.1',
      port: 0,
      tls: tlsOptions(this.key, 'leader'),
      log: pino({ level: 'silent' }),
      peers: () => new Map([['follower', peer]]),
      onChannel: (_, stream) => this.onChannel(stream),
    });
    return port;
  }

  async listenSsh(): Promise<number> {
    const server = new ssh2.Server({ hostKeys: [this.key.privateKey], algorithms }, (connection) => {
      connection.on('error', () => {});
      connection.on('authentication', (context) => context.accept());
      connection.on('session', (accept) =>
        accept().on('subsystem', (acceptChannel) => this.onChannel(acceptChannel())),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  }
}

/** Sends as the leader's live stream does: as much at a time, and more when the channel has drained. */
async function send(stream: Duplex, bytes: number): Promise<void> {
  const channel = new PeerChannel(stream, toLeaderSchema, bootTimeMs);
  const block = randomBytes(Number(values.block));
  let sent = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  channel.closed.addEventListener('abort', () => resolve());
  channel.receive(() => {});
  const pump = () => {
    while (sent < bytes && channel.writable) {
      const parts: Buffer[] = [];
      for (let gathered = 0; gathered < gatheredBytes && sent < bytes; gathered += block.length) {
        parts.push(...encodeData(1, sent, block));
        sent += block.length;
      }
      channel.sendParts(parts);
    }
  };
  channel.onDrain(pump);
  // The follower begins to read when it knows that it is connected.
  setTimeout(pump, 50);
  await promise;
}

interface Measured {
  readonly rate: number;
  readonly sendCpu: number;
  readonly receiveCpu: number;
}

async function run(leader: Leader, transport: Task['transport'], port: number): Promise<Measured> {
  const task: Task = { transport, port, bytes: totalBytes, leader: leader.key, follower: leader.follower };
  const { promise: sent, resolve } = Promise.withResolvers<number>();
  leader.onChannel = (stream) => {
    const cpu = cpuSeconds();
    void send(stream, totalBytes).then(() => resolve(cpuSeconds() - cpu));
  };
  const child = await execa(process.execPath, [import.meta.filename, '--receive', JSON.stringify(task)]);
  const { seconds, cpu } = JSON.parse(child.stdout);
  const gigabytes = totalBytes / 1e9;
  return { rate: totalBytes / 1e6 / seconds, sendCpu: (await sent) / gigabytes, receiveCpu: cpu / gigabytes };
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;
}

async function main(): Promise<void> {
  const leader = new Leader();
  const transports = [
    { name: 'ssh2', port: await leader.listenSsh(), results: [] as Measured[] },
    { name: 'TLS', port: await leader.listenTls(), results: [] as Measured[] },
  ] as const;
  for (let round = 0; round <= Number(values.runs); round++) {
    for (const { name, port, results } of transports) {
      const measured = await run(leader, name, port);
      // The first round warms the compiler.
      if (round > 0) results.push(measured);
    }
  }
  const head = ['aes128-gcm', 'MB/s', 'CPU s/GB to send', 'CPU s/GB to receive'];
  const table = new Table({ head, style: { head: [] } });
  for (const { name, results } of transports) {
    const of = (key: keyof Measured, digits: number) =>
      median(results.map((each) => each[key])).toFixed(digits);
    table.push([name, of('rate', 0), of('sendCpu', 2), of('receiveCpu', 2)]);
  }
  console.log(table.toString());
  process.exit();
}

await (values.receive === undefined ? main() : receive(JSON.parse(values.receive)));
