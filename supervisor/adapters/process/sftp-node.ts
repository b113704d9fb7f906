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
import type { Cause } from '../../core/cause.ts';
import type { SftpNodeActivity, SftpNodeControl, SftpNodeReports } from '../../runtime/ports.ts';
import { Child, compileCacheOf } from './child.ts';

type NodeAnswer = Extract<FromSftpNode, { type: 'pong' }>;

/** A process, of which leadership it is (null: a spare), and what it said before it failed. */
interface Running {
  readonly child: Child<typeof fromSftpNodeSchema>;
  epoch: Epoch | null;
  /** It was told to drain, or to shut its gate: only `resume` takes that back. */
  isLeaving: boolean;
  failure: Cause | null;
  /** Its latest answer to a ping. */
  answer: NodeAnswer | null;
}

const noActivity: SftpNodeActivity = { sessions: 0, transfers: 0, dropped: 0 };

/**
 * At most one SFTP node process, started for one epoch and gone before the next is started; and at most one spare,
 * which becomes the next.
 */
export class SftpNodeProcess implements SftpNodeControl {
  readonly #config: Config;
  readonly #reports: SftpNodeReports;
  readonly #log: Logger;
  #running: Running | null = null;
  #spare: Running | null = null;
  readonly #onLate: (byMs: number) => void;
  activity: SftpNodeActivity = noActivity;

  /** @param onLate the process stood still for so long */
  constructor(config: Config, reports: SftpNodeReports, log: Logger, onLate: (byMs: number) => void) {
    this.#config = config;
    this.#reports = reports;
    this.#log = log;
    this.#onLate = onLate;
  }

  get pid(): number | undefined {
    return this.#running?.child.pid;
  }

  start(epoch: Epoch): void {
    if (this.#running !== null) {
      if (this.#running.isLeaving) this.#send(epoch, { type: 'resume' });
      return;
    }
    const running = this.#spare ?? this.#spawn();
    const wasSpare = this.#spare !== null;
    this.#spare = null;
    this.#running = running;
    running.epoch = epoch;
    running.child.send({ type: 'start', epoch, settings: settingsOf(this.#config) });
    if (wasSpare) this.#reports.spare('absent');
    this.#reports.starting(epoch);
    if (running.child.pid !== undefined) this.#reports.started(running.child.pid);
  }

  keepSpare(): void {
    if (this.#spare !== null) return;
    this.#spare = this.#spawn();
    this.#spare.child.send({ type: 'rehearse', settings: settingsOf(this.#config) });
    this.#reports.spare('loading');
  }

  dropSpare(): void {
    this.#spare?.child.kill();
  }

  drain(epoch: Epoch, limitMs: number): void {
    if (this.#running?.epoch === epoch) this.#running.isLeaving = true;
    this.#send(epoch, { type: 'drain', limitMs });
  }

  openGate(epoch: Epoch, validUntilMs: number): void {
    this.#send(epoch, { type: 'gate', permit: { epoch, validUntilMs } });
  }

  shutGate(epoch: Epoch): void {
    if (this.#running?.epoch === epoch) this.#running.isLeaving = true;
    this.#send(epoch, { type: 'shut-gate' });
  }

  stop(epoch: Epoch): void {
    this.#send(epoch, { type: 'stop' });
  }

  /** Asks the process that serves whether it lives: NodeQuestions of the health checks. */
  ask(id: number): void {
    this.#running?.child.send({ type: 'ping', id });
  }

  get answer(): NodeAnswer | null {
    return this.#running?.answer ?? null;
  }

  kill(): void {
    this.#running?.child.kill();
  }

  #spawn(): Running {
    const running: Running = {
      child: new Child({
        name: 'sftp-node',
        compileCache: compileCacheOf(this.#config),
        schema: fromSftpNodeSchema,
        onMessage: (message) => this.#receive(running, message),
        onExit: ({ how }) => this.#exited(running, how),
        log: this.#log,
      }),
      epoch: null,
      isLeaving: false,
      failure: null,
      answer: null,
    };
    return running;
  }

  #send(epoch: Epoch, message: ToSftpNode): void {
    if (this.#running?.epoch === epoch) this.#running.child.send(message);
  }

  #receive(running: Running, message: FromSftpNode): void {
    if (message.type === 'rehearsed') {
      if (running === this.#spare) this.#reports.spare('ready');
      return;
    }
    if (message.type === 'late') {
      this.#onLate(message.byMs);
      return;
    }
    const { epoch } = running;
    if (epoch === null || running !== this.#running) return;
    switch (message.type) {
      case 'listening':
        running.isLeaving = false;
        this.#reports.listening(epoch);
        return;
      case 'failed':
        running.failure = { code: message.code, sentence: message.message };
        return;
      case 'drained':
        if (message.cutTransfers > 0) {
          this.#log.warn(
            { epoch, cutTransfers: message.cutTransfers },
            'transfers were cut short by the drain',
          );
        }
        this.#reports.gateShut(epoch);
        return;
      case 'gate-shut':
        this.#reports.gateShut(epoch);
        return;
      case 'activity':
        this.activity = {
          sessions: message.sessions,
          transfers: message.transfers,
          dropped: message.dropped,
        };
        return;
      case 'pong':
        running.answer = message;
    }
  }

  #exited(running: Running, how: string): void {
    if (running === this.#spare) {
      this.#spare = null;
      this.#reports.spare('absent');
      return;
    }
    this.#running = null;
    this.activity = noActivity;
    this.#reports.exited(
      running.epoch ?? 0,
      running.failure ?? { code: 'SFTP_NODE_EXITED', sentence: `the SFTP node ended: ${how}` },
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
    engineSocket: join(config.paths.run, 'engine.sock'),
    startups: {
      ...config.sftp.maxStartups,
      perSource: config.sftp.perSourceMaxStartups,
      kept: config.sftp.keptStartups,
    },
    clientAliveIntervalMs: config.sftp.clientAliveInterval,
    clientAliveCountMax: config.sftp.clientAliveCountMax,
    logLevel: config.log.level,
  };
}
