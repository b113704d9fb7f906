/** A process that leads, and works until it is killed: `node engine-child.ts FOLDER EPOCH SEED`. */
import type { Request } from '#contracts/engine/message.ts';
import { StorageEngine } from '../../../../replicator/engine/engine.ts';
import { Random } from '../../../sim/timeline.ts';
import { optionsIn } from './engine-host.ts';
import { openRequest, TestClient } from './test-client.ts';

const [folder = '', epoch = '', seed = ''] = process.argv.slice(2);
const random = new Random(Number(seed));
const engine = await StorageEngine.open(optionsIn(folder));
const leading = await engine.lead(Number(epoch), 'a');
const gate = { mayChange: true, mayAcknowledge: true };
const client = new TestClient(
  engine.serve(leading, gate, { durable: async () => {}, isFull: false, keepsData: false }),
);
await client.begin();

const names = ['a', 'b', 'c', 'd'];
const path = () =>
  Buffer.from(Array.from({ length: 1 + random.below(3) }, () => random.pick(names)).join('/'));
const handles: number[] = [];

function request(): Request {
  const handle = handles.length === 0 ? 0 : random.pick(handles);
  switch (random.below(9)) {
    case 0:
      return openRequest(path().toString(), { truncate: random.chance(0.5) });
    case 1:
    case 2:
    case 3: {
      const offset = random.below(5000);
      return { kind: 'write', handle, offset, data: patternOf(offset, 1 + random.below(3000)) };
    }
    case 4:
      handles.splice(handles.indexOf(handle), 1);
      return { kind: 'close', handle };
    case 5:
      return { kind: 'mkdir', path: path(), mode: 0o755 };
    case 6:
      return { kind: 'rename', from: path(), to: path(), replace: true };
    case 7:
      return random.chance(0.5) ? { kind: 'remove', path: path() } : { kind: 'rmdir', path: path() };
    default:
      return { kind: 'link', existing: path(), path: path() };
  }
}

/** By which the log tells the data. */
export function patternOf(offset: number, length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, at) => (offset * 31 + length * 7 + at) & 0xff));
}

for (let turns = 0; ; turns++) {
  if (turns === 30) process.stdout.write('working\n');
  const settled = client.turn(...Array.from({ length: 1 + random.below(4) }, request));
  // Barriers overlap with the next turns.
  void settled.then((outcomes) => {
    for (const outcome of outcomes) if (outcome.kind === 'opened') handles.push(outcome.handle);
  });
  if (random.chance(0.2)) await settled;
  else await new Promise((resolve) => setImmediate(resolve));
}
