import { HoldfastError } from '#contracts/errors.ts';
import type { Want } from '../core/answer-taker.ts';
import type { Inode } from '../core/tree.ts';
import type { TreePath } from '../core/uncertain-names.ts';
import { limits } from './limits.ts';
import type { ToFollower, WantFrame } from './messages.ts';

/** The file of this host that the leader's is, and where in the log the leader opened it. */
interface Opened {
  readonly inode: Inode | null;
  readonly at: number;
}

interface Request {
  readonly want: WantFrame;
  opened: Opened | null;
}

interface FileRequest {
  readonly path: TreePath;
  opened: Opened | null;
}

/** A follower's requests that are not answered: bounded in number, and in the bytes of content that are on their way. */
export class Requests {
  readonly #open = new Map<number, Request>();
  readonly #subjects = new Set<string>();
  #contentBytes = 0;
  #pages = 0;
  #lastId = 0;

  get isEmpty(): boolean {
    return this.#open.size === 0;
  }

  /** Whether to ask for more: what may be asked for is looked up on the disk, for many at a time. */
  get hasPlace(): boolean {
    return this.#open.size <= limits.requests / 2;
  }

  /** Of so many wants there are new ones, if there are any. */
  get most(): number {
    return this.#open.size + limits.requests;
  }

  /** Those of the wants to ask for now. One of each name, directory and file at a time. */
  begin(wants: readonly Want[]): WantFrame[] {
    const begun: WantFrame[] = [];
    for (const want of wants) {
      if (this.#open.size >= limits.requests) break;
      const subject = subjectOf(want);
      if (this.#subjects.has(subject)) continue;
      const id = this.#nextId();
      const frame = frameOf(want, id);
      const bytes = contentBytes(frame);
      if (this.#contentBytes + bytes > limits.requestedContent) continue;
      // They are answered more slowly than names: without a bound all of the tree would be listed before it is compared.
      if (want.kind === 'entries' && this.#pages >= limits.requestedPages) continue;
      this.#contentBytes += bytes;
      if (want.kind === 'entries') this.#pages += 1;
      this.#subjects.add(subject);
      this.#open.set(id, { want: frame, opened: null });
      begun.push(frame);
    }
    return begun;
  }

  /** A name is answered. @returns which @throws HoldfastError PEER_PROTOCOL, as all of these do */
  name(id: number): TreePath {
    return this.#complete(id, 'want-name').path;
  }

  /** A page is there. */
  entries(id: number): TreePath {
    return this.#complete(id, 'want-entries').path;
  }

  /** The file of a request is open, or not. */
  file(id: number): FileRequest {
    const request = this.#get(id);
    if (request.want.type === 'want-name' || request.want.type === 'want-entries') throw unexpected(id);
    if (request.opened !== null) throw unexpected(id);
    return {
      path: request.want.path,
      get opened() {
        return request.opened;
      },
      set opened(opened) {
        request.opened = opened;
      },
    };
  }

  content({ id, offset, data }: Extract<ToFollower, { type: 'content' }>): { opened: Opened } {
    const { want, opened } = this.#get(id);
    if (want.type !== 'want-content' || opened === null) throw unexpected(id);
    if (offset < want.from || offset + data.length > want.to) throw unexpected(id);
    return { opened };
  }

  digest({ id, from, to }: Extract<ToFollower, { type: 'digest' }>): { opened: Opened } {
    const { want, opened } = this.#get(id);
    if (want.type !== 'want-digest' || opened === null) throw unexpected(id);
    if (from !== want.from || to > want.to) throw unexpected(id);
    return { opened };
  }

  /** Nothing more comes for it. */
  done(id: number): void {
    const { want } = this.#get(id);
    if (want.type === 'want-name' || want.type === 'want-entries') throw unexpected(id);
    this.#remove(id, want);
  }

  #complete(id: number, type: WantFrame['type']): WantFrame {
    const { want } = this.#get(id);
    if (want.type !== type) throw unexpected(id);
    this.#remove(id, want);
    return want;
  }

  #remove(id: number, want: WantFrame): void {
    this.#open.delete(id);
    this.#subjects.delete(subjectOf(want));
    this.#contentBytes -= contentBytes(want);
    if (want.type === 'want-entries') this.#pages -= 1;
  }

  #get(id: number): Request {
    const request = this.#open.get(id);
    if (request === undefined) throw unexpected(id);
    return request;
  }

  #nextId(): number {
    do this.#lastId = (this.#lastId + 1) % 0xffff_ffff;
    while (this.#open.has(this.#lastId));
    return this.#lastId;
  }
}

function frameOf(want: Want, id: number): WantFrame {
  switch (want.kind) {
    case 'name':
      return { type: 'want-name', id, path: want.path };
    case 'entries':
      return { type: 'want-entries', id, path: want.path, after: want.after };
    case 'content':
    case 'digest': {
      const most = want.kind === 'content' ? limits.contentRange : limits.digestRange;
      const to = Math.min(want.to, want.from + most);
      return { type: `want-${want.kind}`, id, path: want.path, from: want.from, to };
    }
  }
}

function subjectOf(want: Want | WantFrame): string {
  const kind = 'kind' in want ? want.kind : want.type.slice('want-'.length);
  return `${kind === 'name' || kind === 'entries' ? kind : 'file'} ${want.path}`;
}

function contentBytes(want: WantFrame): number {
  return want.type === 'want-content' ? want.to - want.from : 0;
}

function unexpected(id: number): HoldfastError {
  return new HoldfastError('PEER_PROTOCOL', `an answer to request ${id} that does not belong to it`);
}
