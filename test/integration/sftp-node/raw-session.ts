import type ssh2 from 'ssh2';
import { FieldReader, FieldWriter } from '../../../sftp-node/sftp/fields.ts';
import { type Item, PacketStream } from '../../../sftp-node/sftp/packet-stream.ts';
import { packetType, statusCode } from '../../../sftp-node/sftp/protocol.ts';

export interface RawReply {
  readonly type: number;
  /** After the id. */
  readonly fields: FieldReader;
}

/** SFTP by hand: each request with its own reply, as many at once as a test likes. */
export class RawSession {
  readonly client: ssh2.Client;
  readonly channel: ssh2.ClientChannel;
  readonly #waiting = new Map<number, (reply: RawReply) => void>();
  #lastId = 0;
  readonly closed: Promise<void>;

  constructor({ client, channel }: { client: ssh2.Client; channel: ssh2.ClientChannel }) {
    this.client = client;
    this.channel = channel;
    const stream = new PacketStream();
    channel.on('error', () => {});
    channel.on('data', (chunk: Buffer) => {
      for (const item of stream.push(chunk)) this.#receive(item);
    });
    this.closed = new Promise((resolve) => client.once('close', () => resolve()));
    channel.write(new FieldWriter().u32(3).packet(packetType.init));
  }

  /** @param fields what follows the id */
  request(type: number, fields: FieldWriter): Promise<RawReply> {
    this.#lastId += 1;
    const id = this.#lastId;
    const reply = new Promise<RawReply>((resolve) => this.#waiting.set(id, resolve));
    this.channel.write(new FieldWriter().u32(id).raw(fields.packet(0).subarray(5)).packet(type));
    return reply;
  }

  /** The status code of a request that is answered with one. */
  async status(type: number, fields: FieldWriter): Promise<number> {
    const reply = await this.request(type, fields);
    if (reply.type !== packetType.status) throw new Error(`a reply of type ${reply.type}`);
    return reply.fields.u32();
  }

  /** Null when it was refused. */
  async open(path: string | Buffer, flags: number): Promise<Buffer | null> {
    const reply = await this.request(
      packetType.open,
      new FieldWriter().bytes(Buffer.from(path)).u32(flags).u32(0),
    );
    return reply.type === packetType.handle ? Buffer.from(reply.fields.bytes()) : null;
  }

  write(handle: Buffer, offset: number, data: Buffer): Promise<number> {
    return this.status(packetType.write, new FieldWriter().bytes(handle).u64(offset).bytes(data));
  }

  close(handle: Buffer): Promise<number> {
    return this.status(packetType.close, new FieldWriter().bytes(handle));
  }

  /** Requests that take paths alone. */
  paths(type: number, ...paths: readonly (string | Buffer)[]): Promise<number> {
    const fields = new FieldWriter();
    for (const path of paths) fields.bytes(Buffer.from(path));
    return this.status(type, fields);
  }

  mkdir(path: string | Buffer): Promise<number> {
    return this.status(packetType.mkdir, new FieldWriter().bytes(Buffer.from(path)).u32(0));
  }

  extended(name: string, ...paths: readonly (string | Buffer)[]): Promise<number> {
    return this.paths(packetType.extended, name, ...paths);
  }

  #receive(item: Item): void {
    if (item.kind !== 'packet' || item.type === packetType.version) return;
    const fields = new FieldReader(Buffer.from(item.body));
    const id = fields.u32();
    this.#waiting.get(id)?.({ type: item.type, fields });
    this.#waiting.delete(id);
  }
}

export { packetType, statusCode };
