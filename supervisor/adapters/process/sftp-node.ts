import { join } from 'node:path';
import type { Epoch } from '#contracts/identities.ts';
import {
  type FromSftpNode,
  fromSftpNodeSchema,
  type SftpNodeSettings,
  type ToSftpNode,
} from '#contracts/ipc/sftp-node.ts';
import type { Logger } from '#contracts/log.ts';
import type { Config } from '../../config/schema.ts';
import type { SftpNodeControl } from '../../ports.ts';
import type { Cause } from '../../role/state.ts';
import { Child, compileCacheOf } from './child.ts';

export interface SftpNodeReports {
  starting(epoch: Epoch): void;
  started(pid: number): void;
  listening(epoch: Epoch): void;
  gateShut(epoch: Epoch): void;
  exited(epoch: Epoch, cause: Cause): void;
}

export interface SftpNodeActivity {
  readonly sessions: number;
  readonly transfers: number;
}

/** At most one SFTP node process, started for one epoch and gone before the next is started. */
export class SftpNodeProcess implements SftpNodeControl {
  readonly #config: Config;
  readonly #reports: SftpNodeReports;
  readonly #log: Logger;
  #running: { child: Child<typeof fromSftpNodeSchema>; epoch: Epoch; failure: Cause | null } | null = null;
  activity: SftpNodeActivity = { sessions: 0, transfers: 0 };

  constructor(config: Config, reports: SftpNodeReports, log: Logger) {
    this.#config = config;
    this.#reports = reports;
    this.#log = log;
  }

  get pid(): number | undefined {
    return this.#running?.child.pid;
  }

  start(epoch: Epoch): void {
    if (this.#running !== null) return;
    this.#reports.starting(epoch);
    const child = new Child({
      name: 'sftp-node',
      compileCache: compileCacheOf(this.#config),
      schema: fromSftpNodeSchema,
      onMessage: (message) => this.#receive(epoch, message),
      onExit: ({ how }) => this.#exited(epoch, how),
      log: this.#log,
    });
    this.#running = { child, epoch, failure: null };
    child.send({ type: 'start', epoch, settings: settingsOf(this.#config) });
    if (child.pid !== undefined) this.#reports.started(child.pid);
  }

  openGate(epoch: Epoch, validUntilMs: number): void {
    this.#send(epoch, { type: 'gate', permit: { epoch, validUntilMs } });
  }

  shutGate(epoch: Epoch): void {
    this.#send(epoch, { type: 'shut-gate' });
  }

  stop(epoch: Epoch): void {
    this.#send(epoch, { type: 'stop' });
  }

  kill(): void {
    this.#running?.child.kill();
  }

  #send(epoch: Epoch, message: ToSftpNode): void {
    if (this.#running?.epoch === epoch) this.#running.child.send(message);
  }

  #receive(epoch: Epoch, message: FromSftpNode): void {
    switch (message.type) {
      case 'listening':
        this.#reports.listening(epoch);
        return;
      case 'failed':
        if (this.#running !== null) {
          this.#running.failure = { code: message.code, sentence: message.message };
        }
        return;
      case 'gate-shut':
      case 'drained':
        this.#reports.gateShut(epoch);
        return;
      case 'activity':
        this.activity = { sessions: message.sessions, transfers: message.transfers };
    }
  }

  #exited(epoch: Epoch, how: string): void {
    const failure = this.#running?.failure ?? null;
    this.#running = null;
    this.activity = { sessions: 0, transfers: 0 };
    this.#reports.exited(
      epoch,
      failure ?? { code: 'SFTP_NODE_EXITED', sentence: `the SFTP node ended: ${how}` },
    );
  }
}

function settingsOf(config: Config): SftpNodeSettings {
  return {
    cluster: config.cluster,
    nodeId: config.node.id,
    listenAddress: config.sftp.listen,
    port: config.sftp.port,
    configRoot: config.paths.config,
    filesRoot: join(config.paths.data, 'files'),
    journalSocket: join(config.paths.run, 'journal.sock'),
    mode: config.replication.mode,
    logLevel: config.log.level,
  };
}
