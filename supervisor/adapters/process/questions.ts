import { HoldfastError } from '#contracts/errors.ts';

/** Less than a command waits for its supervisor. */
const limitMs = 4000;

/** Questions to the replicator, each with an id that its answer carries. */
export class Questions<Answer extends { readonly requestId: number }> {
  readonly #asked = new Map<number, (answer: Answer) => void>();
  #last = 0;

  /**
   * @param send sends it with this id
   * @throws HoldfastError REPLICATOR_SILENT when no answer comes in time
   */
  ask(send: (requestId: number) => void): Promise<Answer> {
    const requestId = ++this.#last;
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const overdue = setTimeout(() => {
      this.#asked.delete(requestId);
      const what = `the replicator of this host did not answer within ${limitMs / 1000} s`;
      reject(new HoldfastError('REPLICATOR_SILENT', what));
    }, limitMs);
    this.#asked.set(requestId, (answer) => {
      clearTimeout(overdue);
      resolve(answer);
    });
    send(requestId);
    return promise;
  }

  onAnswer(answer: Answer): void {
    this.#asked.get(answer.requestId)?.(answer);
    this.#asked.delete(answer.requestId);
  }
}
