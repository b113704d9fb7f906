/**
 * node prober-main.ts ADDRESS PORT KEY_FILE USER
 *
 * Tries a login every 20 ms and prints the monotonic time of each that succeeded. A try that hangs does not hold the
 * next one back, and is given up after 400 ms; so many at once are bounded.
 */
import { readFileSync } from 'node:fs';
import ssh2 from 'ssh2';

const [address = '', port = '', keyFile = '', username = ''] = process.argv.slice(2);
const privateKey = readFileSync(keyFile);
const everyMs = 20;
const patienceMs = 400;
const maxUnderWay = 15;
let underWay = 0;

function tryLogin(): void {
  if (underWay >= maxUnderWay) return;
  underWay += 1;
  const client = new ssh2.Client();
  let over = false;
  const end = (succeeded: boolean) => {
    if (over) return;
    over = true;
    underWay -= 1;
    clearTimeout(patience);
    if (succeeded) process.stdout.write(`${Number(process.hrtime.bigint()) / 1e6}\n`);
    client.destroy();
  };
  const patience = setTimeout(() => end(false), patienceMs);
  client.on('ready', () => end(true));
  client.on('error', () => end(false));
  client.on('close', () => end(false));
  client.connect({
    host: address,
    port: Number(port),
    username,
    privateKey,
    readyTimeout: patienceMs,
  });
}

setInterval(tryLogin, everyMs);
