import { fstatSync } from 'node:fs';
import type { ChangedAttributes, OpenFlags, Request } from '#contracts/engine/message.ts';
import { ErrnoError } from '../apply/errno.ts';
import type { Preconditions } from '../apply/preconditions.ts';
import type { Resolver } from '../apply/resolver.ts';
import { timesOf } from '../apply/times.ts';
import type { ClientSession } from '../clients/ports.ts';
import type { LogRecord } from '../core/record.ts';
import { joinPath } from '../core/uncertain-names.ts';
import { wallTime } from '../state/wall-clock.ts';
import { fromKey, toKey } from '../tree/path.ts';
import type { SessionHandle } from './client-sessions.ts';
import type { Store } from './store.ts';
import { storedMode } from './stored-modes.ts';

/** What a request comes to: the records to order, and where its paths led. */
export interface Planned {
  readonly records: readonly LogRecord[];
  readonly paths: readonly Buffer[];
}

/**
 * From what a client asks to the records of it, with everything that could refuse it looked at (J1). All throw the errno
 * of the refusal: nothing was changed then.
 */
export class ClientChanges {
  readonly #store: Store;
  readonly #resolver: Resolver;
  readonly #preconditions: Preconditions;

  constructor(store: Store, resolver: Resolver, preconditions: Preconditions) {
    this.#store = store;
    this.#resolver = resolver;
    this.#preconditions = preconditions;
  }

  /** The directories of the way to the root of a grant that are missing, from the top. */
  root(root: Buffer, mode: number | null): LogRecord[] {
    const records: LogRecord[] = [];
    let at = '';
    for (const name of root.length === 0 ? [] : toKey(root).split('/')) {
      at = joinPath(at, name);
      const found = records.length > 0 ? null : this.#store.tree.find(at);
      if (found === null && mode === null) refuse('ENOENT');
      if (found === null) records.push({ kind: 'mkdir', path: fromKey(at), mode: mode ?? 0 });
      else if (found.kind !== 'directory') refuse('ENOTDIR');
    }
    if (records[0] !== undefined) this.#check(records[0]);
    return records;
  }

  open(
    session: ClientSession,
    path: Buffer,
    flags: OpenFlags,
    mode: number,
  ): Extract<LogRecord, { kind: 'open' }> {
    const at = this.#resolve(session, path, !flags.exclusive);
    const found = this.#preconditions.find(at);
    if (found !== null && flags.create && flags.exclusive) refuse('EEXIST');
    if (found === null && !flags.create) refuse('ENOENT');
    const record = {
      kind: 'open',
      // Once in the history of the log.
      handle: this.#store.log.position.sequence + 1,
      path: at,
      created: found === null,
      truncate: flags.truncate && found !== null,
      mode: storedMode.newFile(mode),
      otherNames: this.#otherNames(at),
    } as const;
    this.#check(record);
    return record;
  }

  write(handle: number, offset: number, length: number): LogRecord {
    const record = { kind: 'write', handle, offset, length } as const;
    this.#check(record);
    return record;
  }

  /** Where an append goes. */
  endOf(handle: number): number {
    const file = this.#store.fileOf(handle);
    if (file === undefined) refuse('EBADF');
    return file === null ? 0 : fstatSync(file.fd).size;
  }

  setHandle(handle: number, attributes: ChangedAttributes): LogRecord {
    const record = { kind: 'set-handle-attributes', handle, attributes: stored(attributes, 'file') } as const;
    this.#check(record);
    return record;
  }

  /** The times that the kernel gave are those of every host. */
  close({ handle, isChanged }: SessionHandle): LogRecord[] {
    const file = this.#store.fileOf(handle);
    if (file === undefined) refuse('EBADF');
    if (file === null || !isChanged) return [{ kind: 'close', handle }];
    const attributes = timesOf(fstatSync(file.fd, { bigint: true }));
    return [
      { kind: 'set-handle-attributes', handle, attributes },
      { kind: 'close', handle },
    ];
  }

  byPath(
    session: ClientSession,
    request: Extract<
      Request,
      { kind: 'set-attributes' | 'rename' | 'remove' | 'mkdir' | 'rmdir' | 'symlink' | 'link' }
    >,
  ): Planned {
    switch (request.kind) {
      case 'set-attributes': {
        const path = this.#resolve(session, request.path, request.follow);
        const isDirectory = this.#preconditions.find(path)?.type === 'directory';
        const attributes = stored(request.attributes, isDirectory ? 'directory' : 'file');
        return this.#one({ kind: 'set-attributes', path, attributes, otherNames: this.#otherNames(path) }, [
          path,
        ]);
      }
      case 'rename':
        return this.#rename(session, request);
      case 'remove':
      case 'rmdir': {
        const { path, isRoot } = this.#at(session, request.path, false);
        if (isRoot) refuse('EBUSY');
        return this.#one({ kind: request.kind, path }, [path]);
      }
      case 'mkdir': {
        const path = this.#resolve(session, request.path, false);
        return this.#one({ kind: 'mkdir', path, mode: storedMode.newDirectory(request.mode) }, [path]);
      }
      case 'symlink': {
        const path = this.#resolve(session, request.path, false);
        const record = { kind: 'symlink', path, target: Buffer.from(request.target) } as const;
        this.#check(record);
        // The kernel of each host would give it another time.
        const nowUs = wallTime().getTime() * 1000;
        const attributes = { accessedAtUs: nowUs, modifiedAtUs: nowUs };
        const times = { kind: 'set-attributes', path, attributes, otherNames: [] } as const;
        return { records: [record, times], paths: [path] };
      }
      case 'link': {
        const existing = this.#resolve(session, request.existing, false);
        const path = this.#resolve(session, request.path, false);
        if (this.#preconditions.find(existing)?.type === 'symlink') refuse('EPERM');
        return this.#one({ kind: 'link', existing, path }, [existing, path]);
      }
    }
  }

  #rename(session: ClientSession, request: Extract<Request, { kind: 'rename' }>): Planned {
    const from = this.#at(session, request.from, false);
    const to = this.#at(session, request.to, false);
    if (from.isRoot || to.isRoot) refuse('EBUSY');
    const paths = [from.path, to.path];
    const record = { kind: 'rename', from: from.path, to: to.path } as const;
    const refused = this.#preconditions.refusal(record, { mustBeNew: !request.replace });
    if (refused !== null) refuse(refused);
    // Two names of one file: POSIX leaves both, and so does every host.
    const [source, target] = [this.#preconditions.find(from.path), this.#preconditions.find(to.path)];
    return { records: source?.inode === target?.inode ? [] : [record], paths };
  }

  #one(record: LogRecord, paths: readonly Buffer[]): Planned {
    this.#check(record);
    return { records: [record], paths };
  }

  #check(record: LogRecord): void {
    const refused = this.#preconditions.refusal(record);
    if (refused !== null) refuse(refused);
  }

  #resolve(session: ClientSession, path: Buffer, follow: boolean): Buffer {
    return this.#at(session, path, follow).path;
  }

  /** A copy: what a request names lies in memory that is used again. */
  #at(session: ClientSession, path: Buffer, follow: boolean): { path: Buffer; isRoot: boolean } {
    if (!session.grant.mayChange) refuse('EACCES');
    const resolved = this.#resolver.resolve(session.grant.root, path, { follow });
    return { path: Buffer.from(resolved.path), isRoot: resolved.isRoot };
  }

  #otherNames(path: Buffer): Buffer[] {
    const { tree } = this.#store;
    const found = tree.find(toKey(path));
    if (found?.kind !== 'file' || found.links === 1) return [];
    const key = toKey(path);
    return tree
      .namesOf(found.inode)
      .filter((name) => name !== key)
      .map(fromKey);
  }
}

function stored(attributes: ChangedAttributes, kind: 'file' | 'directory'): ChangedAttributes {
  const { mode } = attributes;
  return mode === undefined ? attributes : { ...attributes, mode: storedMode[kind](mode) };
}

function refuse(code: ErrnoError['code']): never {
  throw new ErrnoError(code, 'refused before the change');
}
