import { writeSync } from 'node:fs';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import type { Blocks } from './blocks.ts';

/** A thread that writes from the shared blocks what the ordering thread tells it. */
export class PayloadThread {
  readonly #thread: Worker;
  readonly #resolves: (() => void)[] = [];
  #batch: number[] = [];

  constructor(blocks: Blocks) {
    this.#thread = new Worker(new URL(import.meta.url), {
      name: 'payload',
      workerData: { payload: blocks.shared },
    });
    this.#thread.on('message', (count: number) => {
      for (const resolve of this.#resolves.splice(0, count)) resolve();
    });
  }

  write(fd: number, offset: number, block: number, start: number, length: number): Promise<void> {
    if (this.#batch.length === 0) {
      queueMicrotask(() => {
        this.#thread.postMessage(Float64Array.from(this.#batch));
        this.#batch = [];
      });
    }
    this.#batch.push(fd, offset, block, start, length);
    return new Promise((resolve) => this.#resolves.push(resolve));
  }
}

if (!isMainThread && workerData?.payload !== undefined) {
  const blocks = (workerData.payload as SharedArrayBuffer[]).map((block) => Buffer.from(block));
  parentPort?.on('message', (batch: Float64Array) => {
    for (let at = 0; at < batch.length; at += 5) {
      const [fd = 0, offset = 0, block = 0, start = 0, length = 0] = batch.subarray(at, at + 5);
      const bytes = blocks[block];
      if (bytes !== undefined) writeSync(fd, bytes, start, length, offset);
    }
    parentPort?.postMessage(batch.length / 5);
  });
}
