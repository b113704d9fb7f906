/**
 * node slow-way-main.ts DELAY_FILE PORT HOST:PORT
 *
 * A way to another host that takes time: each piece of data is passed on so many milliseconds later as the file says,
 * in either direction.
 */
import { readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';

const [delayFile = '', port = '', target = ''] = process.argv.slice(2);
const [host = '', targetPort = ''] = target.split(':');

function passOn(from: Socket, to: Socket): void {
  let dueMs = 0;
  const later = (act: () => void) => {
    // Never before what was sent earlier, also when the delay gets shorter.
    dueMs = Math.max(dueMs, performance.now() + Number(readFileSync(delayFile, 'utf8')));
    setTimeout(act, dueMs - performance.now());
  };
  from.on('data', (data) => later(() => to.write(data)));
  from.on('close', () => later(() => to.destroy()));
  from.on('error', () => {});
}

createServer((near) => {
  const far = connect(Number(targetPort), host);
  passOn(near, far);
  passOn(far, near);
}).listen(Number(port), '127.0.0.1');
