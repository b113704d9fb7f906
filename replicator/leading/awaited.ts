/** Who waits for a sequence to be on all disks that it must be on, oldest first. */
export class Awaited {
  #waiting: { readonly sequence: number; resolve(): void; reject(error: Error): void }[] = [];

  until(sequence: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ sequence, resolve, reject });
    return promise;
  }

  /** Lets those go on whose sequence is there by now. */
  settle(isThere: (sequence: number) => boolean): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const waiter of waiting) {
      if (isThere(waiter.sequence)) waiter.resolve();
      else this.#waiting.push(waiter);
    }
  }

  /** Of none of them it will ever be known. */
  fail(error: Error): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { reject } of waiting) reject(error);
  }
}
