import { receiveFrom, sendTo } from '#contracts/ipc/channel.ts';
import { type FromReplicator, type ToReplicator, toReplicatorSchema } from '#contracts/ipc/replicator.ts';
import { EngineThread } from './thread/engine-thread.ts';

/**
 * The process of the replicator, a child of the supervisor. This thread is the control lane: it hears the supervisor, keeps
 * the write gate, and says whether the engine is well. It touches no disk (T2); all else is in the engine's thread.
 */

/** The IPC channel is the leash: without the supervisor nobody may send, apply or acknowledge anything here. */
process.on('disconnect', () => process.exit(0));
if (process.send === undefined) {
  process.stderr.write('the replicator is started by the holdfast supervisor\n');
  process.exit(2);
}
// Modes travel with the records and are set as they are.
process.umask(0);

let thread: EngineThread | null = null;

receiveFrom(process, toReplicatorSchema, onMessage, (problem) =>
  process.stderr.write(`a message of the supervisor was dropped: ${problem}\n`),
);

function onMessage(message: ToReplicator): void {
  if (message.type === 'start') thread ??= new EngineThread(message.settings, { send, onEnd });
  else thread?.handle(message);
}

function send(message: FromReplicator): void {
  if (message.type === 'failed') process.exitCode = 1;
  sendTo(process, message);
}

/** Without its engine the process is of no use: the supervisor starts another one. */
function onEnd(how: string): void {
  process.stderr.write(`the replicator ends: ${how}\n`);
  // What was sent is on its way through the channel.
  setImmediate(() => process.exit(1));
}
