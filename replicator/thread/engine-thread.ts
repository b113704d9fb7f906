import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { FromReplicator, ReplicatorSettings, ToReplicator } from '#contracts/ipc/replicator.ts';
import { LoopWatch } from '#contracts/lateness.ts';
import { WriteGate } from '../write-gate.ts';
import type { EngineThreadData, ToEngineThread } from './messages.ts';
import { Pulse } from './pulse.ts';

const lookMs = 50;

export interface EngineThreadEvents {
  readonly send: (message: FromReplicator) => void;
  /** The thread is over; nothing is written any more. */
  readonly onEnd: (how: string) => void;
}

/** This side of the thread that orders: what must not wait for a disk is answered here, the rest is passed on. */
export class EngineThread {
  readonly #send: (message: FromReplicator) => void;
  readonly #gate = new WriteGate();
  readonly #pulse: Pulse;
  readonly #worker: Worker;

  constructor(settings: ReplicatorSettings, { send, onEnd }: EngineThreadEvents) {
    this.#send = send;
    const loop = new LoopWatch().start();
    this.#pulse = new Pulse(() => loop.attendedMs());
    setInterval(() => this.#pulse.look(), lookMs).unref();
    const workerData: EngineThreadData = {
      settings,
      gate: this.#gate.memory,
      pulse: this.#pulse.memory,
    };
    const bundle = fileURLToPath(new URL('./engine-thread.js', import.meta.url));
    const source = fileURLToPath(new URL('./thread-main.ts', import.meta.url));
    this.#worker = new Worker(existsSync(bundle) ? bundle : source, { workerData });
    this.#worker.on('message', (message: FromReplicator) => send(message));
    this.#worker.on('error', (error: Error) => onEnd(error.stack ?? error.message));
    this.#worker.on('exit', (code) => onEnd(`the engine's thread ended with ${code}`));
  }

  handle(message: ToReplicator): void {
    switch (message.type) {
      case 'start':
        return;
      case 'gate':
        this.#gate.permit(message.permit);
        return;
      case 'shut-gate':
        this.#gate.shut();
        return;
      case 'ping':
        this.#send({ type: 'pong', id: message.id, engineSilentMs: this.#pulse.silentMs });
        return;
      case 'hand-off':
        // Nothing may come behind the position that is handed over.
        this.#gate.shut();
        this.#pass(message);
        return;
      default:
        this.#pass(message);
    }
  }

  #pass(message: ToEngineThread): void {
    this.#worker.postMessage(message);
  }
}
