import {
  chmodSync,
  closeSync,
  constants,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import type { ReplicatorSettings } from '#contracts/ipc/replicator.ts';
import { decodeFromJournal, encodeToJournal, JournalDecoder } from '#contracts/journal/codec.ts';
import type { FromJournal } from '#contracts/journal/message.ts';
import type { Attributes, Operation } from '#contracts/journal/operation.ts';

interface OpenFile {
  readonly file: number;
  path: Buffer;
}

/** Plays the SFTP node: changes the leader's tree and tells the journal. */
export class FakeNode {
  readonly settings: ReplicatorSettings;
  readonly epoch: number;
  sequence = 0;
  durable = 0;
  refusal = '';
  held = false;
  holds = 0;
  closed = false;
  readonly open = new Map<number, OpenFile>();
  #nextHandle = 1;
  #socket: Socket;
  #waiters: (() => void)[] = [];

  static async connect(settings: ReplicatorSettings, epoch: number): Promise<FakeNode> {
    const node = new FakeNode(settings, epoch);
    await node.reconnect();
    return node;
  }

  constructor(settings: ReplicatorSettings, epoch: number) {
    this.settings = settings;
    this.epoch = epoch;
    this.#socket = connect({ path: settings.engineSocket, autoSelectFamily: false });
    this.#socket.destroy();
  }

  /** Says hello; resolves with welcome, rejects when refused. */
  async reconnect(): Promise<void> {
    this.#socket.destroy();
    const socket = connect(this.settings.engineSocket);
    this.#socket = socket;
    this.closed = false;
    const decoder = new JournalDecoder(decodeFromJournal);
    await new Promise<void>((resolve, reject) => {
      socket.on('data', (chunk: Buffer) => {
        for (const message of decoder.push(chunk)) {
          if (message.type === 'welcome') resolve();
          if (message.type === 'refuse' && message.reason !== '') reject(new Error(message.reason));
          this.#receive(message);
        }
      });
      socket.on('error', reject);
      socket.on('close', () => {
        if (socket === this.#socket) this.closed = true;
        this.#wake();
        reject(new Error('the journal closed'));
      });
      this.#write(encodeToJournal({ type: 'hello', epoch: this.epoch, nextSequence: this.sequence + 1 }));
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  get queuedBytes(): number {
    return this.#socket.writableLength;
  }

  /** Waits while the tree is held, as the real node does. */
  async free(): Promise<void> {
    await this.until(() => !this.held);
  }

  async until(what: () => boolean): Promise<void> {
    const deadline = Date.now() + 20_000;
    while (!what()) {
      if (Date.now() > deadline) throw new Error(`the node waited in vain: ${what}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 50);
        this.#waiters.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  /** Everything so far is acknowledged. */
  async settled(): Promise<void> {
    const { sequence } = this;
    await this.until(() => this.durable >= sequence);
  }

  create(path: string, mode = 0o644): number {
    const handle = this.#nextHandle++;
    const bytes = Buffer.from(path);
    const file = openSync(this.#at(path), constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC, mode);
    this.open.set(handle, { file, path: bytes });
    const flags = { create: true, exclusive: false, truncate: true };
    this.tell({ kind: 'open', handle, path: bytes, flags, mode });
    return handle;
  }

  openExisting(path: string): number {
    const handle = this.#nextHandle++;
    this.open.set(handle, { file: openSync(this.#at(path), 'r+'), path: Buffer.from(path) });
    const flags = { create: false, exclusive: false, truncate: false };
    this.tell({ kind: 'open', handle, path: Buffer.from(path), flags, mode: 0 });
    return handle;
  }

  write(handle: number, offset: number, data: Buffer): void {
    writeSync(this.#file(handle), data, 0, data.length, offset);
    this.tell({ kind: 'write', handle, offset, data });
  }

  truncate(handle: number, size: number): void {
    ftruncateSync(this.#file(handle), size);
    this.tell({ kind: 'set-handle-attributes', handle, attributes: { size } });
  }

  closeFile(handle: number): void {
    closeSync(this.#file(handle));
    this.open.delete(handle);
    this.tell({ kind: 'close', handle }, true);
  }

  put(path: string, content: Buffer | string): void {
    const handle = this.create(path);
    this.write(handle, 0, Buffer.from(content));
    this.closeFile(handle);
  }

  rename(from: string, to: string): void {
    renameSync(this.#at(from), this.#at(to));
    for (const open of this.open.values()) {
      const path = open.path.toString();
      if (path === to) open.path = Buffer.alloc(0);
      if (path === from || path.startsWith(`${from}/`)) open.path = Buffer.from(to + path.slice(from.length));
    }
    this.tell({ kind: 'rename', from: Buffer.from(from), to: Buffer.from(to) }, true);
  }

  remove(path: string): void {
    unlinkSync(this.#at(path));
    for (const open of this.open.values()) if (open.path.toString() === path) open.path = Buffer.alloc(0);
    this.tell({ kind: 'remove', path: Buffer.from(path) }, true);
  }

  mkdir(path: string): void {
    mkdirSync(this.#at(path), 0o755);
    this.tell({ kind: 'mkdir', path: Buffer.from(path), mode: 0o755 }, true);
  }

  rmdir(path: string): void {
    rmdirSync(this.#at(path));
    this.tell({ kind: 'rmdir', path: Buffer.from(path) }, true);
  }

  symlink(target: string, path: string): void {
    symlinkSync(target, this.#at(path));
    this.tell({ kind: 'symlink', path: Buffer.from(path), target: Buffer.from(target) }, true);
  }

  link(existing: string, path: string): void {
    linkSync(this.#at(existing), this.#at(path));
    this.tell({ kind: 'link', existing: Buffer.from(existing), path: Buffer.from(path) }, true);
  }

  setAttributes(path: string, attributes: Attributes): void {
    const { mode, accessedAt, modifiedAt } = attributes;
    if (mode !== undefined) chmodSync(this.#at(path), mode);
    if (accessedAt !== undefined && modifiedAt !== undefined) {
      utimesSync(this.#at(path), accessedAt, modifiedAt);
    }
    this.tell({ kind: 'set-attributes', path: Buffer.from(path), attributes }, true);
  }

  /** Sends an operation that is already done on the leader's tree. */
  tell(operation: Operation, durable = false): void {
    this.sequence += 1;
    const { epoch, sequence } = this;
    this.#write(encodeToJournal({ type: 'operation', epoch, sequence, durable, operation }));
  }

  #receive(message: FromJournal): void {
    if (message.type === 'durable') this.durable = message.sequence;
    if (message.type === 'refuse') this.refusal = message.reason;
    if (message.type === 'release') this.held = false;
    if (message.type === 'hold') {
      this.held = true;
      this.holds += 1;
      const handles = [...this.open].map(([handle, { path }]) => ({ handle, path }));
      this.#write(encodeToJournal({ type: 'held', sequence: this.sequence, handles }));
    }
    this.#wake();
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const resolve of waiters) resolve();
  }

  #write(parts: Buffer[]): void {
    if (this.#socket.writable) this.#socket.write(Buffer.concat(parts));
  }

  #at(path: string): string {
    return join(this.settings.filesRoot, path);
  }

  #file(handle: number): number {
    const open = this.open.get(handle);
    if (open === undefined) throw new Error(`handle ${handle} is not open`);
    return open.file;
  }
}
