import { codeOf, messageOf } from '#contracts/errors.ts';
import { receiveFrom, sendTo } from '#contracts/ipc/channel.ts';
import { type FromReplicator, type ToReplicator, toReplicatorSchema } from '#contracts/ipc/replicator.ts';
import { createLogger } from '#contracts/log.ts';
import { Replicator } from './replicator.ts';

/** The IPC channel is the leash: without the supervisor nobody may send, apply or acknowledge anything here. */
process.on('disconnect', () => process.exit(0));
if (process.send === undefined) {
  process.stderr.write('the replicator is started by the holdfast supervisor\n');
  process.exit(2);
}
// Modes travel with the operations and are set as they are.
process.umask(0);

process.on('uncaughtException', (error) => {
  process.stderr.write(`the replicator ends: ${error.stack}\n`);
  process.exit(1);
});

let replicator: Promise<Replicator> | null = null;
const send = (message: FromReplicator) => sendTo(process, message);

receiveFrom(process, toReplicatorSchema, onMessage, (problem) =>
  process.stderr.write(`a message of the supervisor was dropped: ${problem}\n`),
);

function onMessage(message: ToReplicator): void {
  if (replicator === null) {
    if (message.type !== 'start') return;
    replicator = start(message);
    return;
  }
  replicator.then(
    (started) => started.handle(message),
    () => {},
  );
}

async function start({ settings }: Extract<ToReplicator, { type: 'start' }>): Promise<Replicator> {
  const log = createLogger('replicator', settings.logLevel, { node: settings.nodeId });
  try {
    return await Replicator.start(settings, log, send);
  } catch (error) {
    log.error({ err: error }, messageOf(error));
    process.send?.({ type: 'failed', code: codeOf(error), message: messageOf(error) }, () => process.exit(1));
    throw error;
  }
}
