import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { bootTimeMs } from '#contracts/boot-time.ts';
import type { ReplicatorSettings } from '#contracts/ipc/replicator.ts';
import { fromSftpNodeSchema, type ToSftpNode } from '#contracts/ipc/sftp-node.ts';

const program = join(import.meta.dirname, '../../../../sftp-node/main.ts');

/** The real SFTP node of a leader, with its write gate held open. */
export class RealNode implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly port: number;
  readonly #extending: NodeJS.Timeout;

  static async start(settings: ReplicatorSettings, epoch: number): Promise<RealNode> {
    const child = fork(program, { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    const { cluster, nodeId, configRoot, filesRoot, engineSocket } = settings;
    const start: ToSftpNode = {
      type: 'start',
      epoch,
      settings: {
        cluster,
        nodeId,
        listenAddress: '127.0.0.1',
        port: 0,
        configRoot,
        filesRoot,
        engineSocket,
        startups: { begin: 100, ratePercent: 30, full: 200, perSource: 10, kept: 20 },
        clientAliveIntervalMs: 0,
        clientAliveCountMax: 3,
        logLevel: 'warn',
      },
    };
    child.send(start);
    while (true) {
      const [raw] = await once(child, 'message');
      const message = fromSftpNodeSchema.parse(raw);
      if (message.type === 'failed') throw new Error(message.message);
      if (message.type === 'listening') return new RealNode(child, message.port, epoch);
    }
  }

  private constructor(child: ChildProcess, port: number, epoch: number) {
    this.#child = child;
    this.port = port;
    const extend = () => {
      const gate: ToSftpNode = { type: 'gate', permit: { epoch, validUntilMs: bootTimeMs() + 3000 } };
      child.send(gate, () => {});
    };
    extend();
    this.#extending = setInterval(extend, 500);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#extending);
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }
}
