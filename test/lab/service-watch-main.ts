/**
 * node service-watch-main.ts ADDRESS PORT INTERFACE KEY_FILE USER EVERY_MS
 *
 * Asks every so many milliseconds who serves at an IPv4 address: it connects, waits for the SSH banner, and hangs up. tcpdump
 * tells which host sent the banner, by its MAC address, and when. Beside that a partner writes one small file after the
 * other and asks again at once when it lost its server. Prints lines of JSON:
 *
 *     {"kind":"answer","askedMs":…,"answeredMs":…,"mac":"…"}     null, null: no banner within a second
 *     {"kind":"acknowledged","name":"…","mac":"…"}               a file whose CLOSE was acknowledged
 *
 * Times are milliseconds of the wall clock, as the kernel writes them to packets. SIGTERM ends it, once the last
 * question is answered.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { execa } from 'execa';
import ssh2 from 'ssh2';

const [address = '', port = '', networkInterface = '', keyFile = '', username = ''] = process.argv.slice(2);
const everyMs = Number(process.argv[7]);
const patienceMs = 1000;
/** Where it need not ask every millisecond, there is other work for the server to do. */
const pausesPerFile = 5;
/** A port of ours belongs to one question until its answer is written down. */
const probePorts = { first: 10_000, last: 49_999 };
const partnerPorts = { first: 50_000, last: 59_999 };

const nowMs = () => performance.timeOrigin + performance.now();
const print = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);

interface Banner {
  readonly mac: string;
  readonly atMs: number;
}

/** Who sent the banner to each of our ports, and when. */
class BannerCapture {
  readonly #banners = new Map<number, Banner>();
  readonly #process;

  constructor() {
    // Packets whose data begins with "SSH-".
    const banner = 'tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x5353482D';
    const filter = `src host ${address} and tcp src port ${port} and ${banner}`;
    const options = ['--immediate-mode', '-l', '-n', '-e', '-tt', '-i', networkInterface];
    this.#process = execa('tcpdump', [...options, filter], { buffer: false, reject: false });
    createInterface({ input: this.#process.stdout }).on('line', (line) => {
      const [, seconds, mac = '', clientPort] = /^(\d+\.\d+) (\S+) > .* > \S+\.(\d+): Flags/.exec(line) ?? [];
      if (clientPort === undefined && line !== '') throw new Error(`tcpdump said: ${line}`);
      this.#banners.set(Number(clientPort), { mac, atMs: Number(seconds) * 1000 });
    });
  }

  async listening(): Promise<void> {
    for await (const line of createInterface({ input: this.#process.stderr })) {
      if (line.startsWith('listening on')) break;
    }
    this.#process.stderr.resume();
  }

  /** What an earlier connection from this port was told. */
  forget(clientPort: number): void {
    this.#banners.delete(clientPort);
  }

  /** Of a connection that has its banner. What tcpdump has to say of it comes by another way, and may come later. */
  async sender(clientPort: number): Promise<Banner> {
    for (let turn = 0; turn < 100; turn++) {
      const banner = this.#banners.get(clientPort);
      if (banner !== undefined) return banner;
      await delay(50);
    }
    throw new Error(`tcpdump did not see the banner to port ${clientPort}`);
  }

  stop(): void {
    this.#process.kill('SIGTERM');
  }
}

const capture = new BannerCapture();
let isOver = false;

function* portsFrom({ first, last }: { first: number; last: number }): Generator<number, never> {
  while (true) for (let number = first; number <= last; number++) yield number;
}

function dial(localPort: number): Socket {
  const socket = connect({ host: address, port: Number(port), localPort });
  socket.setNoDelay(true);
  socket.on('error', () => {});
  return socket;
}

/** Without a trace: a connection that is closed keeps its port for a minute. */
function hangUp(socket: Socket): void {
  if (socket.connecting) socket.destroy();
  else if (!socket.destroyed) socket.resetAndDestroy();
}

async function ask(localPort: number): Promise<void> {
  capture.forget(localPort);
  const askedMs = nowMs();
  const socket = dial(localPort);
  socket.once('data', () => hangUp(socket));
  const closed = new Promise((resolve) => socket.once('close', resolve));
  await Promise.race([closed, delay(patienceMs)]);
  hangUp(socket);
  // One that tcpdump missed counts as none.
  const banner = socket.bytesRead > 0 ? await capture.sender(localPort).catch(() => null) : null;
  print({ kind: 'answer', askedMs, answeredMs: banner?.atMs ?? null, mac: banner?.mac ?? null });
}

async function askAllTheTime(): Promise<void> {
  const ports = portsFrom(probePorts);
  const answers = new Set<Promise<void>>();
  const beganMs = nowMs();
  const dueBy = () => Math.floor((nowMs() - beganMs) / everyMs);
  for (let asked = 0; !isOver; await delay(everyMs)) {
    // Those that are due; after a standstill of this process not all of them at once.
    const due = Math.min(50, dueBy() - asked);
    for (let number = 0; number < due; number++) {
      const answer = ask(ports.next().value).finally(() => answers.delete(answer));
      answers.add(answer);
    }
    asked = dueBy();
  }
  await Promise.all(answers);
}

/** Writes until the connection is lost. */
async function writeFiles(localPort: number, nextName: () => string): Promise<void> {
  capture.forget(localPort);
  const sock = dial(localPort);
  const client = new ssh2.Client();
  const lost = new Promise<never>((_, reject) => {
    client.on('error', reject);
    client.on('close', () => reject(new Error('closed')));
  });
  lost.catch(() => {});
  const orLost = <Value>(work: Promise<Value>) => Promise.race([work, lost]);
  try {
    client.connect({ sock, username, privateKey: readFileSync(keyFile), readyTimeout: patienceMs });
    await orLost(once(client, 'ready'));
    const { mac } = await capture.sender(localPort);
    const sftp = await orLost(promisify(client.sftp.bind(client))());
    const write = promisify(sftp.writeFile.bind(sftp)) as (name: string, text: string) => Promise<void>;
    while (!isOver) {
      const name = nextName();
      await orLost(Promise.race([write(name, name), tooLate()]));
      print({ kind: 'acknowledged', name, mac });
      if (everyMs > 1) await delay(pausesPerFile * everyMs);
    }
  } finally {
    hangUp(sock);
    client.destroy();
  }
}

/** A server that is frozen or gone says nothing at all. */
async function tooLate(): Promise<never> {
  await delay(patienceMs);
  throw new Error('no answer');
}

async function writeAgainAndAgain(): Promise<void> {
  const ports = portsFrom(partnerPorts);
  const run = process.hrtime.bigint();
  let files = 0;
  const nextName = () => `watched-${run}-${++files}`;
  while (!isOver) {
    await writeFiles(ports.next().value, nextName).catch(() => {});
    await delay(5);
  }
}

process.on('SIGTERM', () => {
  isOver = true;
});
await capture.listening();
await Promise.all([askAllTheTime(), writeAgainAndAgain()]);
capture.stop();
// At a natural end Node's tidying up was seen to spin for ever over sockets that had been reset.
process.exit(0);
