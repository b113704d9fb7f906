/** The thread that orders: the Replicator, behind messages of the control lane. */
import { parentPort, workerData } from 'node:worker_threads';
import { codeOf, messageOf } from '#contracts/errors.ts';
import type { FromReplicator } from '#contracts/ipc/replicator.ts';
import { createLogger } from '#contracts/log.ts';
import { Replicator } from '../replicator.ts';
import { WriteGate } from '../write-gate.ts';
import type { EngineThreadData, ToEngineThread } from './messages.ts';
import { beatIn } from './pulse.ts';

const { settings, gate, pulse } = workerData as EngineThreadData;
const log = createLogger('replicator', settings.logLevel, { node: settings.nodeId });
const send = (message: FromReplicator) => parentPort?.postMessage(message);

beatIn(pulse);
const replicator = Replicator.start(settings, log, send, new WriteGate(gate));
replicator.catch((error: unknown) => {
  log.error({ err: error }, messageOf(error));
  send({ type: 'failed', code: codeOf(error), message: messageOf(error) });
  process.exit(1);
});

parentPort?.on('message', (message: ToEngineThread) => {
  replicator.then(
    (started) => started.handle(message),
    () => {},
  );
});
