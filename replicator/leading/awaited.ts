/** Who waits for a sequence to be on all disks that it must be on, oldest first. */
export class Awaited {
  #waiting: { readonly sequence: number; resolve(): void; reject(error: Error): void }[] = [];

  until(sequence: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ sequence, resolve, reject });
    return promise;
  }

  /** Everything up to here is there. */
  reached(durable: number): void {
    const firstBeyond = this.#waiting.findIndex(({ sequence }) => sequence > durable);
    const done = this.#waiting.splice(0, firstBeyond === -1 ? this.#waiting.length : firstBeyond);
    for (const { resolve } of done) resolve();
  }

  /** Of none of them it will ever be known. */
  fail(error: Error): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { reject } of waiting) reject(error);
  }
}
