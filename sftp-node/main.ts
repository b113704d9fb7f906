import { codeOf, HoldfastError, messageOf } from '#contracts/errors.ts';
import { receiveFrom, sendTo } from '#contracts/ipc/channel.ts';
import { type FromSftpNode, type ToSftpNode, toSftpNodeSchema } from '#contracts/ipc/sftp-node.ts';
import { createLogger, type Logger } from '#contracts/log.ts';
import { rehearse } from './rehearsal.ts';
import { SftpNode } from './sftp-node.ts';

/**
 * The process of the SFTP node: a child of the supervisor, on the leash of its IPC channel. When the channel closes,
 * the supervisor is gone, and so is this process, with every connection, at once.
 */
let node: SftpNode | null = null;
let log: Logger = createLogger('sftp-node', 'info');

const tell = (message: FromSftpNode) => sendTo(process, message);

// Started without a channel, to have its code compiled and cached (see warmUp in the supervisor).
if (process.send === undefined) process.exit(0);
process.umask(0);
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
      // What is wrong is told by the start: until then it may be mended.
      await rehearse(message.settings, log).catch(() => {});
      return tell({ type: 'rehearsed' });
    case 'start':
      log = createLogger('sftp-node', message.settings.logLevel, {
        node: message.settings.nodeId,
        epoch: message.epoch,
      });
      node = new SftpNode(message.epoch, message.settings, log, tell);
      return node.listen();
    case 'gate':
      return node?.permit(message.permit);
    case 'shut-gate':
      return node?.shutGate();
    case 'drain':
      return node?.drain(message.limitMs);
    case 'resume':
      return node?.resume();
    case 'stop':
      await node?.stop();
      // Nothing is left to do, and taking the runtime down in order would hold up the hand-over by some 40 ms.
      process.kill(process.pid, 'SIGKILL');
  }
}

function fail(error: unknown): void {
  const code = error instanceof HoldfastError ? error.code : 'SFTP_NODE_FAILED';
  log.error({ code, cause: codeOf(error) }, messageOf(error));
  tell({ type: 'failed', code, message: messageOf(error) });
  // The message is on its way through the channel; leave when it is out.
  setImmediate(() => process.exit(1));
}
