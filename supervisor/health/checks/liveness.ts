/** What the SFTP node answers to a ping. */
export interface NodeAnswer {
  readonly id: number;
  readonly listening: boolean;
  readonly accepting: boolean;
}

/** The SFTP node process, as far as its liveness goes. */
export interface NodeQuestions {
  /** Sends a question to the process that serves. */
  ask(id: number): void;
  /** The latest answer of that process. */
  answer(): NodeAnswer | null;
}

const pauseMs = 1000;
const answerLimitMs = 2000;
/** Unanswered questions in a row after which a process that serves counts as stuck. */
const silenceLimit = 2;

/** `silent`: it is to be killed. `stuck`: it was, and is still there: it waits for a disk that stands still. */
export type Verdict = 'lives' | 'silent' | 'stuck';

/**
 * Whether the SFTP node lives, by questions over its IPC channel: a process that is stopped, or stuck in a disk call,
 * does not answer; connections at its port and slow clients do not keep it from answering. `look` is called in attended
 * time and after a full poll, so that a supervisor that was late itself judges nobody by that.
 */
export class NodeLiveness {
  readonly #node: NodeQuestions;
  #asked: { readonly id: number; readonly atMs: number } | null = null;
  #askNextAtMs = Number.NEGATIVE_INFINITY;
  #nextId = 1;
  #heard: NodeAnswer | null = null;
  #silent = 0;

  constructor(node: NodeQuestions) {
    this.#node = node;
  }

  /** The latest answer; null before the first, and when the last question got none. */
  get heard(): NodeAnswer | null {
    return this.#heard;
  }

  get isSilent(): boolean {
    return this.#silent > 0;
  }

  /** Nobody serves: what was asked is forgotten. */
  reset(): void {
    this.#asked = null;
    this.#askNextAtMs = Number.NEGATIVE_INFINITY;
    this.#heard = null;
    this.#silent = 0;
  }

  /** Asks when it is time, and tells what became of the question before. */
  look(atMs: number): Verdict {
    if (this.#asked === null) {
      if (atMs >= this.#askNextAtMs) this.#ask(atMs);
      return 'lives';
    }
    const answer = this.#node.answer();
    if (answer?.id === this.#asked.id) {
      this.#heard = answer;
      return this.#judge(answer.listening, atMs);
    }
    return atMs - this.#asked.atMs < answerLimitMs ? 'lives' : this.#judge(false, atMs);
  }

  #ask(atMs: number): void {
    const id = this.#nextId++;
    this.#asked = { id, atMs };
    this.#node.ask(id);
  }

  #judge(isWell: boolean, atMs: number): Verdict {
    this.#asked = null;
    this.#askNextAtMs = atMs + pauseMs;
    this.#silent = isWell ? 0 : this.#silent + 1;
    if (!isWell) this.#heard = null;
    if (this.#silent < silenceLimit) return 'lives';
    return this.#silent === silenceLimit ? 'silent' : 'stuck';
  }
}
