import type { Entry } from '../manifest/entry.ts';
import type { DataFrame } from '../protocol/codec.ts';
import type { Range, ToFollower, ToLeader } from '../protocol/message.ts';
import { toKey } from '../tree/path.ts';

type Answer = Extract<ToFollower, { type: 'listing' | 'digest-result' | 'file' | 'file-end' }> | DataFrame;

interface Pending {
  onAnswer(answer: Answer): void;
  fail(reason: unknown): void;
}

export interface Listing {
  readonly self: Entry | null;
  readonly entries: Entry[];
}

/** Asks the leader about its tree. */
export class FileClient {
  readonly #send: (message: ToLeader) => void;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;

  constructor(send: (message: ToLeader) => void, closed: AbortSignal) {
    this.#send = send;
    closed.addEventListener('abort', () => this.#failAll(closed.reason), { once: true });
  }

  /** What is at a path, with the entries when it is a directory. */
  async list(path: Buffer): Promise<Listing> {
    const entries: Entry[] = [];
    return await this.#ask<Listing>({ type: 'list', path: toKey(path) }, (answer, done) => {
      if (answer.type !== 'listing') throw unexpected(answer);
      for (const entry of answer.entries) entries.push(entry);
      if (answer.last) done({ self: answer.self, entries });
    });
  }

  /** SHA-256 of a file, hex; null when there is none. */
  async digest(path: Buffer): Promise<string | null> {
    return await this.#ask<string | null>({ type: 'digest', path: toKey(path) }, (answer, done) => {
      if (answer.type !== 'digest-result') throw unexpected(answer);
      done(answer.digest);
    });
  }

  /**
   * Calls `write` with the content, or the given ranges of it, as it arrives.
   * @returns the file's entry as it was when reading began; null when there is no such file
   */
  async read(
    path: Buffer,
    ranges: Range[] | null,
    write: (offset: number, data: Buffer) => void,
  ): Promise<Entry | null> {
    let entry: Entry | null = null;
    return await this.#ask<Entry | null>({ type: 'read', path: toKey(path), ranges }, (answer, done) => {
      if (answer.type === 'file') {
        entry = answer.entry;
        if (entry === null) done(null);
      } else if (answer.type === 'data') write(answer.offset, answer.data);
      else if (answer.type === 'file-end') done(entry);
      else throw unexpected(answer);
    });
  }

  onAnswer(answer: Answer): void {
    const pending = this.#pending.get(answer.id);
    if (pending === undefined) return;
    try {
      pending.onAnswer(answer);
    } catch (error) {
      this.#pending.delete(answer.id);
      pending.fail(error);
    }
  }

  async #ask<Result>(
    request: Request,
    onAnswer: (answer: Answer, done: (result: Result) => void) => void,
  ): Promise<Result> {
    const id = this.#nextId++;
    return await new Promise<Result>((resolve, reject) => {
      const done = (result: Result) => {
        this.#pending.delete(id);
        resolve(result);
      };
      this.#pending.set(id, { onAnswer: (answer) => onAnswer(answer, done), fail: reject });
      this.#send({ ...request, id });
    });
  }

  #failAll(reason: unknown): void {
    for (const pending of this.#pending.values()) pending.fail(reason);
    this.#pending.clear();
  }
}

type Request = DistributiveOmit<Extract<ToLeader, { type: 'list' | 'digest' | 'read' }>, 'id'>;
type DistributiveOmit<Union, Key extends PropertyKey> = Union extends unknown ? Omit<Union, Key> : never;

function unexpected(answer: Answer): Error {
  return new Error(`the leader answered with ${answer.type}`);
}
