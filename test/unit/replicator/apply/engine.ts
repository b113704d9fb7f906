/** The parts of the apply path over a folder, and what tests look at. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  closeSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Applier } from '../../../../replicator/apply/applier.ts';
import { Directories } from '../../../../replicator/apply/directories.ts';
import { DirtyFiles } from '../../../../replicator/apply/dirty-files.ts';
import { diskCalls } from '../../../../replicator/apply/disk-calls.ts';
import { defaultFlushLimits, Flusher, type FlushLimits } from '../../../../replicator/apply/flusher.ts';
import { ownCredentials } from '../../../../replicator/apply/permissions.ts';
import { Preconditions } from '../../../../replicator/apply/preconditions.ts';
import { Resolver } from '../../../../replicator/apply/resolver.ts';
import { type FreeSpace, Space } from '../../../../replicator/apply/space.ts';
import { Unlocked } from '../../../../replicator/apply/unlocked.ts';
import type { LoggedAttributes, LogRecord } from '../../../../replicator/core/record.ts';

export const bytes = (name: string) => Buffer.from(name, 'latin1');

export const record = {
  open: (
    handle: number,
    path: string,
    options: { created?: boolean; truncate?: boolean; mode?: number } = {},
  ) =>
    ({
      kind: 'open',
      handle,
      path: bytes(path),
      created: options.created ?? true,
      truncate: options.truncate ?? false,
      mode: options.mode ?? 0o644,
      otherNames: [],
    }) as const,
  write: (handle: number, offset: number, length: number) =>
    ({ kind: 'write', handle, offset, length }) as const,
  close: (handle: number) => ({ kind: 'close', handle }) as const,
  sync: (handle: number) => ({ kind: 'sync', handle }) as const,
  setHandle: (handle: number, attributes: LoggedAttributes) =>
    ({ kind: 'set-handle-attributes', handle, attributes }) as const,
  set: (path: string, attributes: LoggedAttributes) =>
    ({ kind: 'set-attributes', path: bytes(path), attributes, otherNames: [] }) as const,
  rename: (from: string, to: string) => ({ kind: 'rename', from: bytes(from), to: bytes(to) }) as const,
  remove: (path: string) => ({ kind: 'remove', path: bytes(path) }) as const,
  mkdir: (path: string, mode = 0o755) => ({ kind: 'mkdir', path: bytes(path), mode }) as const,
  rmdir: (path: string) => ({ kind: 'rmdir', path: bytes(path) }) as const,
  symlink: (path: string, target: string) =>
    ({ kind: 'symlink', path: bytes(path), target: bytes(target) }) as const,
  link: (existing: string, path: string) =>
    ({ kind: 'link', existing: bytes(existing), path: bytes(path) }) as const,
} satisfies Record<string, (...args: never[]) => LogRecord>;

export class Engine {
  readonly folder = mkdtempSync(join(tmpdir(), 'holdfast-apply-'));
  readonly root = join(this.folder, 'files');
  readonly note = join(this.folder, 'modes');
  readonly directories: Directories;
  readonly unlocked: Unlocked;
  readonly dirty = new DirtyFiles(closeSync);
  free: FreeSpace = { bytes: 2 ** 40, files: 2 ** 20, isReadOnly: false };
  readonly space = new Space(() => this.free);
  readonly applier: Applier;
  readonly resolver: Resolver;
  readonly preconditions: Preconditions;

  constructor(maxCached?: number) {
    mkdirSync(this.root, { mode: 0o755 });
    this.directories = new Directories(this.root, maxCached);
    this.unlocked = new Unlocked(this.directories, this.note);
    const places = { directories: this.directories, unlocked: this.unlocked };
    this.applier = new Applier(places, this.dirty);
    this.resolver = new Resolver(this.directories);
    this.preconditions = new Preconditions({
      places,
      dirty: this.dirty,
      space: this.space,
      credentials: ownCredentials(),
      fileOf: (handle) => this.applier.fileOf(handle),
    });
  }

  /** Writes take their data from `data`, or are of zeros. */
  apply(...records: LogRecord[]): void {
    for (const each of records)
      this.applier.apply(this.fit(each), each.kind === 'write' ? Buffer.alloc(each.length) : undefined);
  }

  /** An open of what is there creates nothing. */
  fit(each: LogRecord): LogRecord {
    if (each.kind !== 'open' || !each.created) return each;
    try {
      const found = this.unlocked.allow([{ path: each.path, itself: 'never' }], () =>
        this.directories.withEntry(each.path, (entry) => lstatSync(entry, { throwIfNoEntry: false })),
      );
      return { ...each, created: found === undefined };
    } catch {
      return each;
    }
  }

  write(handle: number, offset: number, data: string | Buffer): void {
    const buffer = Buffer.from(data);
    this.applier.apply(record.write(handle, offset, buffer.length), buffer);
  }

  put(path: string, content: string | Buffer, mode = 0o644): void {
    this.apply(record.open(999_999, path, { truncate: true, mode }));
    this.write(999_999, 0, content);
    this.apply(record.close(999_999));
  }

  at(path: string): string {
    return join(this.root, path);
  }

  read(path: string): string {
    return readFileSync(this.at(path), 'utf8');
  }

  mode(path: string): number {
    return lstatSync(this.at(path)).mode & 0o7777;
  }

  close(): void {
    this.applier.closeHandles();
    this.dirty.closeAll();
    this.unlocked.close();
    this.directories.close();
  }

  remove(): void {
    this.close();
    removeAll(this.folder);
  }
}

export function flusherOf(engine: Engine, limits: Partial<FlushLimits> = {}, calls = diskCalls): Flusher {
  const events = { onFailed: () => {}, onRoom: () => {} };
  return new Flusher(engine.dirty, calls, events, { ...defaultFlushLimits, ...limits });
}

/** Also what modes keep from us. */
export function removeAll(folder: string): void {
  const unlock = (directory: Buffer) => {
    chmodSync(directory, 0o700);
    for (const entry of readdirSync(directory, { withFileTypes: true, encoding: 'buffer' }))
      if (entry.isDirectory()) unlock(Buffer.concat([directory, Buffer.from('/'), entry.name]));
  };
  unlock(Buffer.from(folder));
  rmSync(folder, { recursive: true, force: true });
}

export function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

/** Everything below a folder by name: kind, mode, times, links, bytes. Times of directories are the kernel's own. */
export function treeOf(folder: Buffer, prefix = ''): Map<string, string> {
  const tree = new Map<string, string>();
  const files = new Map<bigint, string>();
  const visit = (directory: Buffer, below: string) => {
    for (const name of readdirSync(directory, { encoding: 'buffer' }).sort(Buffer.compare)) {
      const path = Buffer.concat([directory, Buffer.from('/'), name]);
      const shown = `${below}/${name.toString('latin1')}`;
      const stats = lstatSync(path, { bigint: true });
      const mode = (Number(stats.mode) & 0o7777).toString(8);
      if (stats.isDirectory()) {
        tree.set(shown, `directory ${mode}`);
        visit(path, shown);
      } else if (stats.isSymbolicLink()) {
        tree.set(
          shown,
          `link to ${readlinkSync(path, { encoding: 'buffer' }).toString('latin1')} ${stats.nlink}`,
        );
      } else {
        // Reading it changes its time of access: each file is looked at once.
        const text =
          files.get(stats.ino) ??
          `file ${mode} ${stats.atimeNs} ${stats.mtimeNs} ${stats.nlink} ${shown} ${readFileSync(path).toString('hex')}`;
        files.set(stats.ino, text);
        tree.set(shown, text);
      }
    }
  };
  visit(folder, prefix);
  return tree;
}

export function assertCode(code: string, work: () => unknown, message?: string): void {
  assert.throws(work, { code }, message);
}
