import type { LogRecord } from '../../../replicator/core/record.ts';
import { isWithin, joinPath, type TreePath } from '../../../replicator/core/uncertain-names.ts';
import type { Random } from '../timeline.ts';
import type { EngineHost } from './host.ts';

const names = ['x', 'y', 'z', 'd'];
const largest = 6;

/** What clients ask of a leader: records that its tree does not refuse, with the bytes of writes. */
export class ClientWork {
  readonly #random: Random;
  #handle = 0;
  #byte = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Null when what was picked would be refused. */
  next(leader: EngineHost): { record: LogRecord; data: Uint8Array | null } | null {
    const handles = [...leader.replica.handles.keys()];
    if (handles.length > 0 && this.#random.chance(0.45)) return this.#onHandle(this.#random.pick(handles));
    const record = this.#onName(leader);
    return record === null ? null : { record, data: null };
  }

  #onHandle(handle: number): { record: LogRecord; data: Uint8Array | null } {
    if (this.#random.chance(0.2)) return { record: { kind: 'close', handle }, data: null };
    if (this.#random.chance(0.2)) {
      const attributes = this.#random.chance(0.6)
        ? { size: this.#random.below(largest) }
        : { mode: this.#mode() };
      return { record: { kind: 'set-handle-attributes', handle, attributes }, data: null };
    }
    const offset = this.#random.below(largest);
    const length = 1 + this.#random.below(3);
    const data = Uint8Array.from({ length }, () => this.#nextByte());
    return { record: { kind: 'write', handle, offset, length }, data };
  }

  #onName(leader: EngineHost): LogRecord | null {
    const { disk } = leader;
    const path = this.#path(leader);
    const found = disk.find(path);
    const at = Buffer.from(path, 'latin1');
    switch (this.#random.below(9)) {
      case 0:
      case 1:
        return this.#open(leader, path);
      case 2:
        return found === null ? { kind: 'mkdir', path: at, mode: this.#mode() } : null;
      case 3:
        if (found?.kind !== 'directory') return found === null ? null : { kind: 'remove', path: at };
        return disk.entries(path).length === 0 ? { kind: 'rmdir', path: at } : null;
      case 4:
      case 5:
        return this.#rename(leader, path, this.#path(leader));
      case 6:
        return found === null
          ? { kind: 'symlink', path: at, target: Buffer.from(this.#random.pick(names)) }
          : null;
      case 7: {
        const to = this.#path(leader);
        if (found?.kind !== 'file' || disk.find(to) !== null) return null;
        return { kind: 'link', existing: at, path: Buffer.from(to, 'latin1') };
      }
      default: {
        if (found === null || found.kind === 'symlink') return null;
        const otherNames = found.kind === 'file' ? this.#otherNames(leader, path, found.inode) : [];
        return { kind: 'set-attributes', path: at, attributes: { mode: this.#mode() }, otherNames };
      }
    }
  }

  #open(leader: EngineHost, path: TreePath): LogRecord | null {
    const found = leader.disk.find(path);
    if (found !== null && found.kind !== 'file') return null;
    return {
      kind: 'open',
      handle: ++this.#handle,
      path: Buffer.from(path, 'latin1'),
      created: found === null,
      truncate: this.#random.chance(0.5),
      mode: this.#mode(),
      otherNames: found === null ? [] : this.#otherNames(leader, path, found.inode),
    };
  }

  #rename(leader: EngineHost, from: TreePath, to: TreePath): LogRecord | null {
    const { disk } = leader;
    const source = disk.find(from);
    const target = disk.find(to);
    if (source === null || isWithin(to, from) || isWithin(from, to)) return null;
    if (target !== null) {
      if ((source.kind === 'directory') !== (target.kind === 'directory')) return null;
      if (target.kind === 'directory' && disk.entries(to).length > 0) return null;
      if (source.kind === 'file' && target.kind === 'file' && source.inode === target.inode) return null;
    }
    return { kind: 'rename', from: Buffer.from(from, 'latin1'), to: Buffer.from(to, 'latin1') };
  }

  #otherNames(leader: EngineHost, path: TreePath, inode: bigint): Buffer[] {
    return leader.disk
      .namesOf(inode)
      .filter((name) => name !== path)
      .map((name) => Buffer.from(name, 'latin1'));
  }

  /** A name in a directory that is there; directories are picked more often than they are met. */
  #path(leader: EngineHost): TreePath {
    const path = this.#anyPath(leader);
    return leader.disk.find(path)?.kind === 'directory' || this.#random.chance(0.5)
      ? path
      : this.#anyPath(leader);
  }

  #anyPath({ disk }: EngineHost): TreePath {
    let directory = '';
    while (this.#random.chance(0.6)) {
      const below = disk
        .entries(directory)
        .map((name) => joinPath(directory, name))
        .filter((path) => disk.find(path)?.kind === 'directory');
      if (below.length === 0) break;
      directory = this.#random.pick(below);
    }
    return joinPath(directory, this.#random.pick(names));
  }

  #mode(): number {
    return this.#random.pick([0o600, 0o644, 0o755]);
  }

  #nextByte(): number {
    this.#byte = (this.#byte % 255) + 1;
    return this.#byte;
  }
}
