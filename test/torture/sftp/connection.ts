import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import ssh2 from 'ssh2';
import {
  FieldCursor,
  Fields,
  openFlag,
  Packets,
  type Reply,
  reply,
  request,
  type SeenAttributes,
  type SentAttributes,
  status,
} from './wire.ts';

/** The connection ended, or nothing came for too long: nobody knows what became of what is unanswered. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost';
  /** We gave up waiting: the server may still have requests of ours before it. */
  readonly byPatience: boolean;

  constructor(why: string, byPatience: boolean) {
    super(why);
    this.byPatience = byPatience;
  }
}

/** The server answered, and the answer is no. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

const loginPatienceMs = 4000;
/** Longer than anything that ends by itself: a member that leaves the set, a pause of the write gate. */
const patienceMs = 6000;

export interface Entry {
  readonly name: string;
  readonly attributes: SeenAttributes;
}

/** One SFTP session of the checker: a method is one request, with its answer. Nothing is retried or swallowed. */
export class Connection {
  readonly #socket: Socket;
  readonly #client = new ssh2.Client();
  readonly #waiting = new Map<number, { resolve: (reply: Reply) => void; reject: (error: Error) => void }>();
  #channel: ssh2.ClientChannel | null = null;
  #lost: ConnectionLost | null = null;
  #lastId = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#client.on('error', (error) => this.#lose(error.message, false));
    this.#client.on('close', () => this.#lose('the connection was closed', false));
  }

  /** @throws ConnectionLost */
  static async login(socket: Socket, username: string, privateKey: Buffer): Promise<Connection> {
    const connection = new Connection(socket);
    const client = connection.#client;
    let onLost: (error: Error) => void = () => {};
    const lost = new Promise<never>((_, reject) => {
      onLost = reject;
    });
    client.on('close', () => onLost(new ConnectionLost('closed before the login', false)));
    const begun = (async () => {
      client.connect({ sock: socket, username, privateKey, readyTimeout: loginPatienceMs });
      await new Promise<void>((resolve) => client.once('ready', resolve));
      await connection.#openChannel();
    })();
    try {
      await Promise.race([begun, lost, tooLate(loginPatienceMs)]);
      return connection;
    } catch (error) {
      connection.end();
      throw error instanceof ConnectionLost ? error : new ConnectionLost(String(error), false);
    } finally {
      lost.catch(() => {});
      begun.catch(() => {});
    }
  }

  async #openChannel(): Promise<void> {
    const channel = await new Promise<ssh2.ClientChannel>((resolve, reject) =>
      this.#client.subsys('sftp', (error, opened) => (error ? reject(error) : resolve(opened))),
    );
    this.#channel = channel;
    const packets = new Packets();
    const greeted = Promise.withResolvers<void>();
    channel.on('error', () => {});
    channel.on('close', () => this.#lose('the channel was closed', false));
    channel.on('data', (chunk: Buffer) => {
      for (const { type, body } of packets.push(chunk)) {
        if (type === reply.version) greeted.resolve();
        else this.#receive(type, body);
      }
    });
    channel.write(new Fields().u32(3).packet(request.init, null));
    await greeted.promise;
  }

  get isLost(): boolean {
    return this.#lost !== null;
  }

  /** Without a good-bye: what was not answered stays so. */
  end(): void {
    this.#lose('ended by the client', false);
    if (!this.#socket.destroyed) this.#socket.resetAndDestroy();
    this.#client.destroy();
  }

  #lose(why: string, byPatience: boolean): void {
    this.#lost ??= new ConnectionLost(why, byPatience);
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(this.#lost);
  }

  #receive(type: number, body: Buffer): void {
    const id = body.readUInt32BE(0);
    this.#waiting.get(id)?.resolve({ type, fields: new FieldCursor(Buffer.from(body.subarray(4))) });
    this.#waiting.delete(id);
  }

  #ask(type: number, fields: Fields): Promise<Reply> {
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    if (this.#lost !== null || this.#channel === null) {
      reject(this.#lost ?? new ConnectionLost('not connected', false));
      return promise;
    }
    this.#lastId += 1;
    const id = this.#lastId;
    const patience = setTimeout(() => {
      this.#lose(`no answer within ${patienceMs} ms`, true);
      this.end();
    }, patienceMs);
    const settle =
      <Value>(how: (value: Value) => void) =>
      (value: Value) => {
        clearTimeout(patience);
        how(value);
      };
    this.#waiting.set(id, { resolve: settle(resolve), reject: settle(reject) });
    this.#channel.write(fields.packet(type, id));
    return promise;
  }

  /** @throws Refused, ConnectionLost */
  async #want(type: number, fields: Fields, wanted: number): Promise<FieldCursor> {
    const answer = await this.#ask(type, fields);
    if (answer.type === wanted && wanted !== reply.status) return answer.fields;
    if (answer.type !== reply.status) throw new Error(`a reply of type ${answer.type} to a request ${type}`);
    const code = answer.fields.u32();
    if (wanted === reply.status && code === status.ok) return answer.fields;
    throw new Refused(code, answer.fields.string());
  }

  async #done(type: number, fields: Fields): Promise<void> {
    await this.#want(type, fields, reply.status);
  }

  async open(path: string, flags: number, attributes: SentAttributes = {}): Promise<Buffer> {
    const fields = new Fields().string(path).u32(flags).attributes(attributes);
    return Buffer.from((await this.#want(request.open, fields, reply.handle)).bytes());
  }

  close(handle: Buffer): Promise<void> {
    return this.#done(request.close, new Fields().string(handle));
  }

  write(handle: Buffer, offset: number, data: Buffer): Promise<void> {
    return this.#done(request.write, new Fields().string(handle).u64(offset).string(data));
  }

  fsync(handle: Buffer): Promise<void> {
    return this.#done(request.extended, new Fields().string('fsync@openssh.com').string(handle));
  }

  fsetstat(handle: Buffer, attributes: SentAttributes): Promise<void> {
    return this.#done(request.fsetstat, new Fields().string(handle).attributes(attributes));
  }

  setstat(path: string, attributes: SentAttributes): Promise<void> {
    return this.#done(request.setstat, new Fields().string(path).attributes(attributes));
  }

  /** Of a symbolic link itself. */
  lsetstat(path: string, attributes: SentAttributes): Promise<void> {
    return this.#done(
      request.extended,
      new Fields().string('lsetstat@openssh.com').string(path).attributes(attributes),
    );
  }

  mkdir(path: string, mode: number): Promise<void> {
    return this.#done(request.mkdir, new Fields().string(path).attributes({ mode }));
  }

  rmdir(path: string): Promise<void> {
    return this.#done(request.rmdir, new Fields().string(path));
  }

  remove(path: string): Promise<void> {
    return this.#done(request.remove, new Fields().string(path));
  }

  rename(from: string, to: string): Promise<void> {
    return this.#done(request.rename, new Fields().string(from).string(to));
  }

  posixRename(from: string, to: string): Promise<void> {
    return this.#done(
      request.extended,
      new Fields().string('posix-rename@openssh.com').string(from).string(to),
    );
  }

  hardlink(existing: string, path: string): Promise<void> {
    return this.#done(
      request.extended,
      new Fields().string('hardlink@openssh.com').string(existing).string(path),
    );
  }

  /** In the draft's order, which servers take from ssh2. */
  symlink(path: string, target: string): Promise<void> {
    return this.#done(request.symlink, new Fields().string(path).string(target));
  }

  async readlink(path: string): Promise<string> {
    const fields = await this.#want(request.readlink, new Fields().string(path), reply.name);
    fields.u32();
    return fields.string();
  }

  async lstat(path: string): Promise<SeenAttributes> {
    return (await this.#want(request.lstat, new Fields().string(path), reply.attrs)).attributes();
  }

  async list(path: string): Promise<Entry[]> {
    const opened = await this.#want(request.opendir, new Fields().string(path), reply.handle);
    const handle = Buffer.from(opened.bytes());
    const entries: Entry[] = [];
    for (;;) {
      const fields = await this.#untilEnd(request.readdir, new Fields().string(handle), reply.name);
      if (fields === null) break;
      for (let left = fields.u32(); left > 0; left--) {
        const name = fields.string();
        fields.string();
        entries.push({ name, attributes: fields.attributes() });
      }
    }
    await this.close(handle);
    return entries.filter(({ name }) => name !== '.' && name !== '..');
  }

  async read(path: string): Promise<Buffer> {
    const handle = await this.open(path, openFlag.read);
    const parts: Buffer[] = [];
    for (let at = 0; ; ) {
      const fields = await this.#untilEnd(
        request.read,
        new Fields().string(handle).u64(at).u32(32_768),
        reply.data,
      );
      if (fields === null) break;
      const part = fields.bytes();
      parts.push(part);
      at += part.length;
    }
    await this.close(handle);
    return Buffer.concat(parts);
  }

  /** Null at the end of the file or the directory. */
  async #untilEnd(type: number, fields: Fields, wanted: number): Promise<FieldCursor | null> {
    try {
      return await this.#want(type, fields, wanted);
    } catch (error) {
      if (error instanceof Refused && error.code === status.endOfFile) return null;
      throw error;
    }
  }
}

async function tooLate(ms: number): Promise<never> {
  await delay(ms);
  throw new ConnectionLost('the login took too long', true);
}
