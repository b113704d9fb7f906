import { HoldfastError, messageOf } from '#contracts/errors.ts';
import type { Operation } from '#contracts/journal/operation.ts';
import type { OperationFrame } from '../protocol/codec.ts';
import { printable } from '../tree/path.ts';
import type { Applier } from './apply.ts';

/** Beyond the first the leader is asked to wait, below the second it goes on. */
const pauseBytes = 8 * 1024 * 1024;
const resumeBytes = 4 * 1024 * 1024;
const batchOperations = 2000;

export interface QueueOutlet {
  /** Everything up to here is applied, and on disk as far as it was to be. */
  onApplied(sequence: number): void;
  onFlushed(sequence: number): void;
  /** The trees differ, or this host's disk does not do what it should. */
  onFailed(error: unknown): void;
  pause(): void;
  resume(): void;
}

interface Flush {
  readonly type: 'flush';
  readonly sequence: number;
}

/**
 * Operations on their way into the tree. What arrives while an fsync runs is applied together and shares the next
 * one.
 */
export class OperationQueue {
  readonly #applier: Applier;
  readonly #outlet: QueueOutlet;
  readonly #epoch: number;
  #items: (OperationFrame | Flush)[] = [];
  #bytes = 0;
  #paused = false;
  #running: Promise<void> | null = null;
  #stopped = false;
  /** The last one applied. */
  #sequence: number;

  constructor(applier: Applier, epoch: number, sequence: number, outlet: QueueOutlet) {
    this.#applier = applier;
    this.#epoch = epoch;
    this.#sequence = sequence;
    this.#outlet = outlet;
  }

  push(item: OperationFrame | Flush): void {
    if (this.#stopped) return;
    this.#items.push(item);
    this.#bytes += sizeOf(item);
    if (this.#bytes > pauseBytes && !this.#paused) {
      this.#paused = true;
      this.#outlet.pause();
    }
    this.#running ??= this.#run();
  }

  /** Resolves when nothing of it touches the tree any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#items = [];
    if (this.#paused) this.#outlet.resume();
    await this.#running;
  }

  async #run(): Promise<void> {
    // What came in the same chunk belongs to the same batch.
    await Promise.resolve();
    try {
      while (this.#items.length > 0) await this.#batch();
    } catch (error) {
      this.#stopped = true;
      this.#items = [];
      this.#outlet.onFailed(error);
    } finally {
      this.#running = null;
    }
  }

  async #batch(): Promise<void> {
    const batch = this.#items.splice(0, batchOperations);
    let flush = false;
    let flushed = -1;
    for (const item of batch) {
      if (item.type === 'flush') {
        flushed = item.sequence;
        this.#applier.wantAll();
      } else this.#apply(item);
      flush ||= item.type === 'flush' || item.durable;
      this.#bytes -= sizeOf(item);
    }
    if (flush || this.#applier.wantsFlush) await this.#applier.flush();
    // Told also after a stop: the next connection goes on after what was applied, and must not repeat it.
    this.#outlet.onApplied(this.#sequence);
    if (flushed >= 0) this.#outlet.onFlushed(this.#sequence);
    if (this.#paused && this.#bytes < resumeBytes) {
      this.#paused = false;
      this.#outlet.resume();
    }
  }

  #apply({ epoch, sequence, durable, operation }: OperationFrame): void {
    if (epoch !== this.#epoch) {
      throw new HoldfastError('EPOCH_STALE', `an operation of epoch ${epoch} within ${this.#epoch}`);
    }
    if (sequence !== this.#sequence + 1) throw new Error(`operation ${sequence} after ${this.#sequence}`);
    try {
      this.#applier.apply(operation, durable);
    } catch (cause) {
      throw new Error(`operation ${sequence} (${describe(operation)}): ${messageOf(cause)}`, { cause });
    }
    this.#sequence = sequence;
  }
}

function sizeOf(item: OperationFrame | Flush): number {
  return (
    256 + (item.type === 'operation' && item.operation.kind === 'write' ? item.operation.data.length : 0)
  );
}

function describe(operation: Operation): string {
  if ('path' in operation) return `${operation.kind} ${printable(operation.path)}`;
  if (operation.kind === 'rename') return `rename ${printable(operation.from)} to ${printable(operation.to)}`;
  return 'handle' in operation ? `${operation.kind} of handle ${operation.handle}` : operation.kind;
}
