import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { messageOf } from '#contracts/errors.ts';
import type {
  QuarantineAnswer,
  QuarantineBounds,
  QuarantineRequest,
  QuarantineSummary,
} from '#contracts/ipc/quarantine.ts';
import type { Logger } from '#contracts/log.ts';

export interface ThreadSettings {
  readonly quarantineRoot: string;
  readonly filesRoot: string;
  readonly bounds: QuarantineBounds;
}
export type ToThread =
  | { readonly type: 'moved' }
  | { readonly type: 'request'; readonly id: number; readonly request: QuarantineRequest };
export type FromThread =
  | { readonly type: 'summary'; readonly summary: QuarantineSummary }
  | { readonly type: 'answer'; readonly id: number; readonly answer: QuarantineAnswer }
  | {
      readonly type: 'log';
      readonly level: 'info' | 'warn' | 'error';
      readonly fields: object;
      readonly message: string;
    };

const restartAfterMs = 10_000;
/** A million things fit; garbage of a listing is collected early. */
const resourceLimits = { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 1024 };
const unavailable: QuarantineAnswer = {
  kind: 'refused',
  code: 'QUARANTINE_FAILED',
  message: 'the thread that looks after the quarantine does not run',
};

export interface KeeperThreadOptions extends ThreadSettings {
  readonly log: Logger;
  readonly onSummary: () => void;
}

/** This side of the thread that looks after the quarantine. It is started again when it ends. */
export class KeeperThread {
  readonly #options: KeeperThreadOptions;
  readonly #waiting = new Map<number, (answer: QuarantineAnswer) => void>();
  #worker: Worker | null = null;
  #requests = 0;
  #summary: QuarantineSummary | null = null;

  constructor(options: KeeperThreadOptions) {
    this.#options = options;
    this.#start();
  }

  /** Null: it has not looked yet. */
  get summary(): QuarantineSummary | null {
    return this.#summary;
  }

  /** Something was moved to quarantine. */
  onMoved(): void {
    this.#post({ type: 'moved' });
  }

  /** Never rejects; a thread that a disk holds answers when the disk does. */
  ask(request: QuarantineRequest): Promise<QuarantineAnswer> {
    if (this.#worker === null) return Promise.resolve(unavailable);
    return new Promise((resolve) => {
      const id = ++this.#requests;
      this.#waiting.set(id, resolve);
      this.#post({ type: 'request', id, request });
    });
  }

  #start(): void {
    const bundle = fileURLToPath(new URL('./quarantine-thread.js', import.meta.url));
    const source = fileURLToPath(new URL('./thread-main.ts', import.meta.url));
    const { quarantineRoot, filesRoot, bounds, log } = this.#options;
    const workerData: ThreadSettings = { quarantineRoot, filesRoot, bounds };
    const worker = new Worker(existsSync(bundle) ? bundle : source, { workerData, resourceLimits });
    this.#worker = worker;
    worker.on('message', (message: FromThread) => this.#receive(message));
    worker.on('error', (error) =>
      log.error(
        { code: 'QUARANTINE_FAILED', reason: messageOf(error) },
        'the quarantine is not looked after',
      ),
    );
    worker.on('exit', () => this.#ended());
    // After the listeners, which would hold the process.
    worker.unref();
  }

  #ended(): void {
    this.#worker = null;
    for (const answer of this.#waiting.values()) answer(unavailable);
    this.#waiting.clear();
    setTimeout(() => this.#start(), restartAfterMs).unref();
  }

  #post(message: ToThread): void {
    this.#worker?.postMessage(message);
  }

  #receive(message: FromThread): void {
    switch (message.type) {
      case 'summary':
        this.#tell(message.summary);
        break;
      case 'answer':
        this.#waiting.get(message.id)?.(message.answer);
        this.#waiting.delete(message.id);
        break;
      case 'log':
        this.#options.log[message.level](message.fields, message.message);
        break;
    }
  }

  #tell(summary: QuarantineSummary): void {
    const isNews = JSON.stringify(summary) !== JSON.stringify(this.#summary);
    this.#summary = summary;
    if (isNews) this.#options.onSummary();
  }
}
