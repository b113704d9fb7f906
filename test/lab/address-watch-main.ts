/**
 * node address-watch-main.ts ADDRESS INTERFACE SOURCE...
 *
 * Asks the segment ten times a second who has an IPv4 address, and prints a line of JSON for each request: `atMs`,
 * when it was sent, in milliseconds of the monotonic clock, and `macs`, who answered it.
 *
 * SIGTERM ends it, once the last request is answered.
 *
 * arping sends one request and collects answers for a second. Those under way at one time ask from different
 * addresses of this host, so that no answer is taken for one to another request.
 */
import { execa } from 'execa';

const [address = '', networkInterface = '', ...idleSources] = process.argv.slice(2);
const everyMs = 100;

async function ask(): Promise<void> {
  const source = idleSources.shift();
  if (source === undefined) return;
  const atMs = Number(process.hrtime.bigint()) / 1e6;
  const options = ['-b', '-c', '1', '-I', networkInterface, '-s', source];
  // Its exit code is 0 only when exactly one host answered.
  const { stdout } = await execa('arping', [...options, address], { reject: false });
  if (!stdout.includes('Sent 1 probes')) throw new Error(`arping did not ask: ${stdout}`);
  const macs = [...stdout.matchAll(/reply from \S+ \[([0-9A-F:]{17})\]/gi)].map(([, mac]) => mac);
  process.stdout.write(`${JSON.stringify({ atMs, macs: [...new Set(macs)] })}\n`);
  idleSources.push(source);
}

const asking = setInterval(ask, everyMs);
// The answers to requests that are under way are still written down.
process.on('SIGTERM', () => clearInterval(asking));
