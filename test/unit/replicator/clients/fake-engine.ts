import {
  closeSync,
  constants,
  fstatSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Change, DataRequest, Request } from '#contracts/engine/message.ts';
import { codeOf } from '#contracts/errors.ts';
import type {
  ClientRequest,
  ClientSession,
  Engine,
  Outcome,
  Turn,
} from '../../../../replicator/clients/ports.ts';

interface OpenFile {
  readonly fd: number;
  readonly session: ClientSession;
}

/** Applies what clients ask to a folder, at once or when the test lets it. Paths are taken as they are. */
export class FakeEngine implements Engine {
  mayAcknowledge = true;
  /** Requests are kept, with the turn that they came in, until `proceed`. */
  isStalled = false;
  /** Turns are retained until `letGo`, although all was made. */
  retains = false;
  /** Durable answers are kept until `flush`. */
  holdsBarriers = false;
  /** Called for each request before it is made; what it returns is its outcome. */
  refuse: (request: ClientRequest) => Outcome | null = () => null;
  /** Each request as it was made, in order. */
  readonly made: string[] = [];
  readonly turns: number[] = [];
  readonly sessions = new Set<ClientSession>();
  readonly handles = new Map<number, OpenFile>();
  readonly barriers: (() => void)[] = [];
  readonly #root: string;
  readonly #stalled: { turn: Turn; release: () => void }[] = [];
  readonly #retained: (() => void)[] = [];
  #lastHandle = 0;

  constructor(root: string) {
    this.#root = root;
  }

  submit(turn: Turn): void {
    this.turns.push(turn.requests.length);
    if (this.isStalled) this.#stalled.push({ turn, release: turn.retain() });
    else {
      if (this.retains) this.#retained.push(turn.retain());
      this.#make(turn);
    }
  }

  letGo(): void {
    this.retains = false;
    for (const release of this.#retained.splice(0)) release();
  }

  get stalledBytes(): number {
    return this.#stalled.reduce(
      (sum, { turn }) =>
        sum +
        turn.requests.reduce(
          (bytes, { request }) => bytes + ('data' in request ? request.data.length : 0),
          0,
        ),
      0,
    );
  }

  proceed(): void {
    this.isStalled = false;
    for (const { turn, release } of this.#stalled.splice(0)) {
      this.#make(turn);
      release();
    }
  }

  flush(): void {
    for (const settle of this.barriers.splice(0)) settle();
  }

  #make({ requests }: Turn): void {
    for (const request of requests) {
      const refused = this.refuse(request);
      if (refused !== null) request.settle(refused);
      else this.#settle(request, this.#outcomeOf(request));
    }
  }

  #settle({ request, settle }: ClientRequest, outcome: Outcome): void {
    if (this.holdsBarriers && outcome.kind === 'done' && outcome.durable)
      this.barriers.push(() => settle(outcome));
    else settle(outcome);
    this.made.push(describe(request));
  }

  #outcomeOf({ session, request }: ClientRequest): Outcome {
    try {
      return this.#apply(session, request);
    } catch (error) {
      const refusal = { errno: codeOf(error), sentence: 'the disk said so' };
      return 'data' in request
        ? { kind: 'write-refused', written: 0, ...refusal }
        : { kind: 'refused', ...refusal };
    }
  }

  #apply(session: ClientSession, request: Request): Outcome {
    switch (request.kind) {
      case 'begin-session': {
        const made = this.#makeRoot(session);
        this.sessions.add(session);
        return { kind: 'begun', made };
      }
      case 'end-session':
        this.sessions.delete(session);
        for (const [handle, { session: owner }] of this.handles) if (owner === session) this.#close(handle);
        return done(false);
      case 'read-barrier':
        return done(false);
      case 'write':
      case 'append':
        return this.#write(request);
      default:
        return this.#change(session, request);
    }
  }

  #makeRoot({ grant: { root, makeRoot } }: ClientSession): number {
    if (makeRoot === null) {
      readdirSync(join(this.#root, root.toString()));
      return 0;
    }
    return mkdirSync(join(this.#root, root.toString()), { recursive: true, mode: makeRoot }) === undefined
      ? 0
      : 1;
  }

  #write(request: DataRequest): Outcome {
    const { fd } = this.#file(request.handle);
    const offset = request.kind === 'write' ? request.offset : fstatSync(fd).size;
    writeSync(fd, request.data, 0, request.data.length, offset);
    return request.kind === 'write' ? { kind: 'written' } : { kind: 'written', size: fstatSync(fd).size };
  }

  #change(session: ClientSession, change: Change): Outcome {
    const at = (path: Buffer) => join(this.#root, session.grant.root.toString(), path.toString());
    switch (change.kind) {
      case 'open':
        return this.#open(session, change, at(change.path));
      case 'close':
        this.#close(change.handle);
        return done(true);
      case 'sync':
      case 'set-handle-attributes':
        this.#file(change.handle);
        return done(true);
      case 'set-attributes':
        return done(true, change.path);
      case 'rename':
        renameSync(at(change.from), at(change.to));
        return done(true, change.from, change.to);
      case 'remove':
        unlinkSync(at(change.path));
        return done(true, change.path);
      case 'mkdir':
        mkdirSync(at(change.path), change.mode);
        return done(true, change.path);
      case 'rmdir':
        rmdirSync(at(change.path));
        return done(true, change.path);
      case 'symlink':
        symlinkSync(change.target, at(change.path));
        return done(true, change.path);
      case 'link':
        linkSync(at(change.existing), at(change.path));
        return done(true, change.existing, change.path);
    }
  }

  #open(
    session: ClientSession,
    { path, flags, mode }: Extract<Change, { kind: 'open' }>,
    at: string,
  ): Outcome {
    const create = flags.create ? constants.O_CREAT : 0;
    const truncate = flags.truncate ? constants.O_TRUNC : 0;
    const exclusive = flags.exclusive ? constants.O_EXCL : 0;
    const fd = openSync(at, constants.O_RDWR | create | truncate | exclusive, mode);
    this.#lastHandle += 1;
    this.handles.set(this.#lastHandle, { fd, session });
    const { dev, ino, size } = fstatSync(fd, { bigint: true });
    const root = session.grant.root;
    return {
      kind: 'opened',
      handle: this.#lastHandle,
      path: Buffer.concat([root, Buffer.from('/'), path]),
      created: flags.create,
      device: dev,
      inode: ino,
      size: Number(size),
    };
  }

  #file(handle: number): OpenFile {
    const file = this.handles.get(handle);
    if (file === undefined) throw new Error(`the server let handle ${handle} through, which is not open`);
    return file;
  }

  #close(handle: number): void {
    closeSync(this.#file(handle).fd);
    this.handles.delete(handle);
  }
}

function done(durable: boolean, ...paths: readonly Buffer[]): Outcome {
  return { kind: 'done', durable, paths: paths.map((path) => Buffer.from(path)) };
}

function describe(request: Request): string {
  switch (request.kind) {
    case 'write':
      return `write ${request.handle} ${request.offset}+${request.data.length}`;
    case 'append':
      return `append ${request.handle} +${request.data.length}`;
    case 'open':
    case 'mkdir':
    case 'remove':
      return `${request.kind} ${request.path}`;
    default:
      return 'handle' in request ? `${request.kind} ${request.handle}` : request.kind;
  }
}
