/**
 * Brings what is settled in any order into the order in which it was asked. Behind one that is not settled all others
 * wait.
 */
export class OrderedAnswers<Answer> {
  readonly #emit: (answer: Answer) => void;
  #waiting: { answer: Answer | null }[] = [];
  #first = 0;

  constructor(emit: (answer: Answer) => void) {
    this.#emit = emit;
  }

  get size(): number {
    return this.#waiting.length - this.#first;
  }

  /** @returns settles it; a second time it does nothing */
  add(): (answer: Answer) => void {
    const entry: { answer: Answer | null } = { answer: null };
    this.#waiting.push(entry);
    return (answer) => {
      if (entry.answer !== null) return;
      entry.answer = answer;
      this.#emitSettled();
    };
  }

  #emitSettled(): void {
    for (;;) {
      const { answer = null } = this.#waiting[this.#first] ?? {};
      if (answer === null) break;
      this.#first += 1;
      this.#emit(answer);
    }
    if (this.#first === this.#waiting.length || this.#first >= 256) {
      this.#waiting = this.#waiting.slice(this.#first);
      this.#first = 0;
    }
  }
}
