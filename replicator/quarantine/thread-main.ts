/** The thread that looks after the quarantine: `Keeper`, behind messages. */
import { parentPort, workerData } from 'node:worker_threads';
import { bootTimeMs } from '#contracts/boot-time.ts';
import { wallTime } from '../state/wall-clock.ts';
import { Keeper } from './keeper.ts';
import type { FromThread, ThreadSettings, ToThread } from './thread.ts';

const tell = (message: FromThread) => parentPort?.postMessage(message);
const keeper = new Keeper({
  ...(workerData as ThreadSettings),
  wallMs: () => wallTime().getTime(),
  elapsedMs: bootTimeMs,
  log: (level, fields, message) => tell({ type: 'log', level, fields, message }),
});

parentPort?.on('message', (message: ToThread) => {
  if (message.type === 'moved') keeper.onMoved();
  else tell({ type: 'answer', id: message.id, answer: keeper.answer(message.request) });
});
void keeper.run((summary) => tell({ type: 'summary', summary }));
