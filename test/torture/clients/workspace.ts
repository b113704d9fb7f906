import { createHash } from 'node:crypto';
import type { Outcome } from '../history.ts';
import type { Content } from '../model/content.ts';
import { NameHistory } from '../model/name-history.ts';
import {
  added,
  createdUnlessThere,
  FileItem,
  FolderItem,
  folderRemoved,
  LinkItem,
  linked,
  type NameChange,
  removed,
  renamed,
} from '../model/names.ts';
import type { Notes } from '../notes.ts';
import { type Connection, ConnectionLost, Refused } from '../sftp/connection.ts';
import { openFlag, type SentAttributes, status } from '../sftp/wire.ts';
import { Pins } from './pins.ts';

/** What the model says cannot be was seen: the client leaves the folder as it is and goes on in another one. */
export class Spoilt extends Error {
  override readonly name = 'Spoilt';
}

/** A file that is open for writing. */
export interface OpenFile {
  readonly handle: Buffer;
  readonly item: FileItem;
  readonly path: string;
  readonly appends: boolean;
  /** The file that OPEN made is durable. */
  readonly confirmCreation: () => void;
}

export interface OpenOptions {
  readonly create?: boolean;
  readonly truncate?: boolean;
  readonly append?: boolean;
  readonly mode?: number;
}

type Answer = (outcome: Outcome, detail?: string) => void;

/**
 * A folder that belongs to one client alone, and what may be in it by what was sent and answered. Each method is one
 * request: it is written down, sent, and the model follows the answer. It gives false where the server refused.
 */
export class Workspace {
  /** From the user's home. */
  readonly root: string;
  readonly names = new NameHistory();
  readonly pins = new Pins();
  readonly #client: string;
  readonly #notes: Notes;

  constructor(root: string, client: string, notes: Notes) {
    this.root = root;
    this.#client = client;
    this.#notes = notes;
  }

  full(path: string): string {
    return path === '' ? this.root : `${this.root}/${path}`;
  }

  mkdir(connection: Connection, path: string, mode: number): Promise<boolean> {
    const item = new FolderItem();
    item.mode.set(mode);
    return this.#changeNames('mkdir', [path], added(path, item), () =>
      connection.mkdir(this.full(path), mode),
    );
  }

  rmdir(connection: Connection, path: string): Promise<boolean> {
    return this.#changeNames('rmdir', [path], folderRemoved(path), () => connection.rmdir(this.full(path)));
  }

  remove(connection: Connection, path: string): Promise<boolean> {
    return this.#changeNames('remove', [path], removed(path), () => connection.remove(this.full(path)));
  }

  rename(connection: Connection, from: string, to: string): Promise<boolean> {
    return this.#changeNames('rename', [from, to], renamed(from, to, false), () =>
      connection.rename(this.full(from), this.full(to)),
    );
  }

  posixRename(connection: Connection, from: string, to: string): Promise<boolean> {
    return this.#changeNames('posix-rename', [from, to], renamed(from, to, true), () =>
      connection.posixRename(this.full(from), this.full(to)),
    );
  }

  link(connection: Connection, existing: string, path: string): Promise<boolean> {
    return this.#changeNames('link', [existing, path], linked(existing, path), () =>
      connection.hardlink(this.full(existing), this.full(path)),
    );
  }

  symlink(connection: Connection, path: string, target: string): Promise<boolean> {
    return this.#changeNames('symlink', [path], added(path, new LinkItem(target)), () =>
      connection.symlink(this.full(path), target),
    );
  }

  /** The model follows each answer when it comes: requests that are under way together are answered in their order. */
  async #changeNames(
    what: string,
    paths: readonly string[],
    change: NameChange,
    send: () => Promise<void>,
  ): Promise<boolean> {
    const answer = this.#sent(what, paths);
    try {
      await send();
    } catch (error) {
      return this.#failed(error, answer, paths, {
        lost: () => this.names.doubtful(change),
        isPossible: () => change(this.names.latest) !== null,
      });
    }
    answer('ok');
    if (change(this.names.latest) === null) this.#spoil(`${what} succeeded where it must be refused`, paths);
    this.names.acknowledged(change);
    return true;
  }

  /** Null where it was refused. */
  async open(
    connection: Connection,
    path: string,
    { create = false, truncate = false, append = false, mode = 0o644 }: OpenOptions = {},
  ): Promise<OpenFile | null> {
    const there = this.names.latest.get(path);
    const item = there?.kind === 'file' ? there : new FileItem();
    if (there === undefined) item.mode.set(mode);
    const change = createdUnlessThere(path, item);
    const flags =
      openFlag.write |
      (append ? openFlag.append : 0) |
      (create ? openFlag.create : 0) |
      (truncate ? openFlag.truncate : 0);
    const shown = `open(${create ? 'c' : ''}${truncate ? 't' : ''}${append ? 'a' : ''})`;
    const answer = this.#sent(shown, [path]);
    let handle: Buffer;
    try {
      handle = await connection.open(this.full(path), flags, create ? { mode } : {});
    } catch (error) {
      this.#failed(error, answer, [path], {
        lost: () => {
          if (create) this.names.doubtful(change);
          if (truncate) this.#alter(item, () => item.content.change({ kind: 'size', size: 0 })).doubt();
        },
        isPossible: () => there?.kind === 'file' || (create && change(this.names.latest) !== null),
      });
      return null;
    }
    answer('ok');
    if (there !== undefined && there.kind !== 'file')
      this.#spoil('OPEN of what is no file succeeded', [path]);
    if (there === undefined && !create) this.#spoil('OPEN of what is not there succeeded', [path]);
    if (truncate) this.#alter(item, () => item.content.change({ kind: 'size', size: 0 }));
    const confirmCreation = create ? this.names.answered(change) : () => {};
    return { handle, item, path, appends: append, confirmCreation };
  }

  /** @param offset of no account where the handle appends */
  async write(connection: Connection, file: OpenFile, offset: number, data: Buffer): Promise<boolean> {
    const { content } = file.item;
    const at = file.appends ? content.size : offset;
    const answer = this.#sent(`write(${at}+${data.length})`, [file.path]);
    this.#alter(file.item, () => content.change({ kind: 'write', offset: at, data }));
    return this.#changeContent(answer, file, () => connection.write(file.handle, offset, data));
  }

  /** Also makes what OPEN made durable. */
  close(connection: Connection, file: OpenFile): Promise<boolean> {
    return this.#barrier('close', file, () => connection.close(file.handle));
  }

  fsync(connection: Connection, file: OpenFile): Promise<boolean> {
    return this.#barrier('fsync', file, () => connection.fsync(file.handle));
  }

  async #barrier(what: string, file: OpenFile, send: () => Promise<void>): Promise<boolean> {
    const done = await this.#changeContent(this.#sent(what, [file.path]), file, send);
    if (done) {
      file.item.content.confirm();
      file.confirmCreation();
      this.#remember(file.item.content);
    }
    return done;
  }

  async #changeContent(answer: Answer, file: OpenFile, send: () => Promise<void>): Promise<boolean> {
    const { content } = file.item;
    const doubt = () => (file.appends ? content.forget() : content.doubt());
    try {
      await send();
    } catch (error) {
      // A refused WRITE may have been carried out in part: the disk was full.
      doubt();
      return this.#failed(error, answer, [file.path], { lost: () => {}, isPossible: () => true });
    }
    answer('ok');
    return true;
  }

  async setHandle(connection: Connection, file: OpenFile, attributes: SentAttributes): Promise<boolean> {
    return this.#set(shownSetting('fsetstat', attributes), file.path, file.item, attributes, () =>
      connection.fsetstat(file.handle, attributes),
    );
  }

  async set(connection: Connection, path: string, attributes: SentAttributes): Promise<boolean> {
    const item = this.names.latest.get(path);
    if (item === undefined || item.kind === 'link') throw new Error(`${path} has no attributes to set`);
    return this.#set(shownSetting('setstat', attributes), path, item, attributes, () =>
      connection.setstat(this.full(path), attributes),
    );
  }

  async #set(
    what: string,
    path: string,
    item: FileItem | FolderItem,
    { mode, size, time }: SentAttributes,
    send: () => Promise<void>,
  ): Promise<boolean> {
    const answer = this.#sent(what, [path]);
    const wasSettled = item.kind === 'file' && item.content.isSettled;
    if (size !== undefined && item.kind === 'file')
      this.#alter(item, () => item.content.change({ kind: 'size', size }));
    try {
      await send();
    } catch (error) {
      if (size !== undefined && item.kind === 'file') item.content.doubt();
      if (mode !== undefined) item.mode.doubt(mode);
      if (time !== undefined && item.kind === 'file') item.modifiedAt.doubt(time);
      return this.#failed(error, answer, [path], { lost: () => {}, isPossible: () => true });
    }
    answer('ok');
    if (mode !== undefined) item.mode.set(mode);
    if (time !== undefined && item.kind === 'file') item.modifiedAt.set(time);
    if (size !== undefined && wasSettled) {
      item.content.confirm();
      this.#remember(item.content);
    }
    return true;
  }

  /** Of the link itself: compared between the hosts alone. */
  async setLinkTime(connection: Connection, path: string, time: number): Promise<boolean> {
    const answer = this.#sent('lsetstat', [path]);
    try {
      await connection.lsetstat(this.full(path), { time });
    } catch (error) {
      return this.#failed(error, answer, [path], { lost: () => {}, isPossible: () => true });
    }
    answer('ok');
    return true;
  }

  /** A request that is written down, and that the model does not follow. @throws Refused, ConnectionLost */
  async unmodelled(what: string, path: string, send: () => Promise<void>): Promise<void> {
    const answer = this.#sent(what, [path]);
    try {
      await send();
    } catch (error) {
      answer(error instanceof Refused ? 'refused' : 'lost', error instanceof Error ? error.message : '');
      throw error;
    }
    answer('ok');
  }

  /** Whether something is not as the client knows it for sure: it has to look, and to make durable what it sees. */
  get isInDoubt(): boolean {
    const items = [...this.names.latest.values()];
    return (
      !this.names.isSettled ||
      items.some((item) => item.kind !== 'link' && item.mode.isUncertain) ||
      items.some((item) => item.kind === 'file' && (!item.content.isSettled || item.modifiedAt.isUncertain))
    );
  }

  #alter(item: FileItem, change: () => void): Content {
    change();
    item.modifiedAt.set(null);
    return item.content;
  }

  #remember(content: Content): void {
    this.#notes.acknowledgedContents.add(digestOf(content.latest));
  }

  #sent(what: string, paths: readonly string[]): Answer {
    return this.#notes.history.sent(
      this.#client,
      what,
      paths.map((path) => this.full(path)),
    );
  }

  #failed(
    error: unknown,
    answer: Answer,
    paths: readonly string[],
    model: { lost: () => void; isPossible: () => boolean },
  ): false {
    if (error instanceof Refused) {
      answer('refused', error.message);
      const denies =
        error.code === status.noSuchFile || /exists already|not empty|is a directory/.test(error.message);
      if (denies && model.isPossible()) this.#spoil(`the server says "${error.message}"`, paths);
      return false;
    }
    if (error instanceof ConnectionLost) {
      answer('lost', error.message);
      model.lost();
    }
    throw error;
  }

  #spoil(what: string, paths: readonly string[]): never {
    const path = this.full(paths[0] ?? '');
    this.#notes.violations.add('answers', what, path);
    throw new Spoilt(what);
  }
}

function shownSetting(what: string, { size, mode, time }: SentAttributes): string {
  const parts = [
    ...(size === undefined ? [] : [`size=${size}`]),
    ...(mode === undefined ? [] : [`mode=${mode.toString(8)}`]),
    ...(time === undefined ? [] : [`time=${time}`]),
  ];
  return `${what}(${parts.join(',')})`;
}

export function digestOf(bytes: Buffer): string {
  return createHash('sha1').update(bytes).digest('hex');
}
