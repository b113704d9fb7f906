import { codeOf, HoldfastError, messageOf } from '#contracts/errors.ts';
import { receiveFrom, sendTo } from '#contracts/ipc/channel.ts';
import { type FromSftpNode, type ToSftpNode, toSftpNodeSchema } from '#contracts/ipc/sftp-node.ts';
import { LoopWatch } from '#contracts/lateness.ts';
import { createLogger, type Logger } from '#contracts/log.ts';
import type { Users } from './auth/users.ts';
import { rehearse } from './rehearsal.ts';
import { SftpNode } from './sftp-node.ts';
import type { Port } from './transport/port.ts';

/**
 * The process of the SFTP node: a child of the supervisor. When its IPC channel closes, the supervisor is gone;
 * this process exits then, and all its connections end.
 */
let node: SftpNode | null = null;
/** What a spare has ready for its start. */
let prefetched: { users: Users | null; port: Port | null } = { users: null, port: null };
let log: Logger = createLogger('sftp-node', 'info');

const tell = (message: FromSftpNode) => sendTo(process, message);

// Started without a channel, to have its code compiled and cached (see warmUp in the supervisor).
if (process.send === undefined) process.exit(0);
process.umask(0);
new LoopWatch({ onLate: (byMs) => tell({ type: 'late', byMs }) }).start();
process.on('disconnect', () => process.exit(0));
// The supervisor decides when this process ends; a signal to the whole group reaches it as well.
process.on('SIGTERM', () => {});
process.on('SIGINT', () => {});
receiveFrom(
  process,
  toSftpNodeSchema,
  (message) => void handle(message),
  (problem) => log.error({ code: 'INTERNAL', problem }, 'the supervisor sent a message that no schema knows'),
);

async function handle(message: ToSftpNode): Promise<void> {
  try {
    await obey(message);
  } catch (error) {
    fail(error);
  }
}

async function obey(message: ToSftpNode): Promise<void> {
  switch (message.type) {
    case 'rehearse':
      prefetched = await rehearse(message.settings, log);
      return tell({ type: 'rehearsed' });
    case 'start':
      log = createLogger('sftp-node', message.settings.logLevel, {
        node: message.settings.nodeId,
        epoch: message.epoch,
      });
      node = new SftpNode(message.epoch, message.settings, log, tell, stillGood(prefetched));
      return node.listen();
    case 'gate':
      return node?.permit(message.permit);
    case 'shut-gate':
      return node?.shutGate();
    case 'drain':
      return node?.drain(message.limitMs);
    case 'resume':
      return node?.resume();
    case 'ping':
      return tell({
        type: 'pong',
        id: message.id,
        ...(node?.portState ?? { listening: false, accepting: false }),
      });
    case 'stop':
      await node?.stop();
      // Nothing is left to do, and taking the runtime down in order would hold up the hand-over by some 40 ms.
      process.kill(process.pid, 'SIGKILL');
  }
}

/** The file of the users may have changed this instant. */
function stillGood({ users, port }: typeof prefetched): typeof prefetched {
  if (users === null || users.isCurrent) return { users, port };
  users.close();
  return { users: null, port };
}

function fail(error: unknown): void {
  const code = error instanceof HoldfastError ? error.code : 'SFTP_NODE_FAILED';
  log.error({ code, cause: codeOf(error) }, messageOf(error));
  tell({ type: 'failed', code, message: messageOf(error) });
  // The message is on its way through the channel; leave when it is out.
  setImmediate(() => process.exit(1));
}
