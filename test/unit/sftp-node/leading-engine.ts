import type { Logger } from '#contracts/log.ts';
import type { ClientRequest, Engine, Turn } from '../../../replicator/clients/ports.ts';
import { ClientServer } from '../../../replicator/clients/server.ts';
import type { LogRecord } from '../../../replicator/core/record.ts';
import type { ClientWork } from '../../../replicator/engine/client-work.ts';
import { StorageEngine } from '../../../replicator/engine/engine.ts';
import { readBatch } from '../../../replicator/log/batch.ts';
import { optionsIn } from '../replicator/engine/engine-host.ts';

/** Set by the test: whether the engine may make changes. */
export interface EngineGate {
  mayChange: boolean;
  mayAcknowledge: boolean;
}

/** A storage engine that leads, in this process, behind its socket: real files in `FOLDER/files`, a real log. */
export class LeadingEngine implements Engine {
  readonly folder: string;
  readonly path: string;
  readonly epoch: number;
  readonly gate: EngineGate = { mayChange: true, mayAcknowledge: true };
  /** What was logged, but for sessions and reads. */
  readonly records: LogRecord[] = [];
  /** Whether the peers have at once what must be on their disks. */
  acknowledges = true;
  /** Called when a change is made, before anybody is told. */
  onMade: () => void = () => {};
  #waiting: { resolve(): void; reject(error: Error): void }[] = [];
  readonly #log: Logger;
  #engine: StorageEngine | null = null;
  #work: ClientWork | null = null;
  #server: ClientServer | null = null;

  constructor(folder: string, path: string, epoch: number, log: Logger) {
    this.folder = folder;
    this.path = path;
    this.epoch = epoch;
    this.#log = log;
  }

  async start(): Promise<void> {
    const engine = await StorageEngine.open(optionsIn(this.folder, { onFatal: () => {} }));
    const leading = await engine.lead(this.epoch, 'a');
    leading.subscribe(({ payload }) => {
      for (const record of readBatch(payload).records)
        if (record.kind !== 'unknown') this.records.push(record);
    });
    this.#engine = engine;
    this.#work = engine.serve(leading, this.gate, {
      durable: (sequence) => this.#durable(sequence),
      isFull: false,
      keepsData: false,
    });
    this.#server = await ClientServer.listen({ path: this.path, engine: this, log: this.#log });
    this.#server.lead(this.epoch);
  }

  get kinds(): string[] {
    return this.records.map(({ kind }) => kind);
  }

  /** How many changes wait for their peers. */
  get waiting(): number {
    return this.#waiting.length;
  }

  acknowledgeAll(): void {
    for (const { resolve } of this.#waiting.splice(0)) resolve();
  }

  /** Why no change is made; null: they are. */
  refuse(reason: string | null): void {
    this.#server?.refuse(reason);
    if (reason !== null) for (const { reject } of this.#waiting.splice(0)) reject(new Error(reason));
  }

  /** As when its process dies: connections break, handles are gone, what was changed lies there. */
  async kill(): Promise<void> {
    this.#server?.close();
    await this.#engine?.abandon();
    this.#engine = null;
  }

  submit(turn: Turn): void {
    this.#work?.submit({
      requests: turn.requests.map((request) => this.#watched(request)),
      retain: () => turn.retain(),
    });
  }

  get mayAcknowledge(): boolean {
    return this.#work?.mayAcknowledge ?? false;
  }

  #watched({ session, request, settle }: ClientRequest): ClientRequest {
    return {
      session,
      request,
      settle: (outcome) => {
        this.onMade();
        settle(outcome);
      },
    };
  }

  #durable(_sequence: number): Promise<void> {
    if (this.acknowledges) return Promise.resolve();
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }
}
