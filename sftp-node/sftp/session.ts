import type { Duplex } from 'node:stream';
import type { Logger } from '#contracts/log.ts';
import type { SessionContext } from './context.ts';
import { FieldReader } from './fields.ts';
import { abandon, writePiece } from './handlers/files.ts';
import { type Item, PacketStream } from './packet-stream.ts';
import { packetType, statusCode } from './protocol.ts';
import { okReply, statusReply, versionReply } from './replies.ts';
import { ReplyQueue } from './reply-queue.ts';
import { parseRequest } from './requests.ts';
import { StatusError, statusOf } from './status-error.ts';

/**
 * Serves SFTP on a channel until the client ends it. Rejects when what came cannot be SFTP, or when a change may not be
 * acknowledged; the caller closes the connection then.
 */
export async function serveSftp(channel: Duplex, context: SessionContext, log: Logger): Promise<void> {
  const session = new SftpSession(channel, context, log);
  try {
    await session.run();
  } finally {
    abandon(context);
  }
}

class SftpSession {
  readonly #channel: Duplex;
  readonly #context: SessionContext;
  readonly #log: Logger;
  readonly #stream = new PacketStream();
  readonly #replies: ReplyQueue;
  #initialized = false;
  /** Why the WRITE whose pieces are coming in has failed already. */
  #writeError: unknown = null;

  constructor(channel: Duplex, context: SessionContext, log: Logger) {
    this.#channel = channel;
    this.#context = context;
    this.#log = log;
    this.#replies = new ReplyQueue(channel, (error) =>
      channel.destroy(error instanceof Error ? error : undefined),
    );
  }

  async run(): Promise<void> {
    for await (const chunk of this.#channel) {
      for (const item of this.#stream.push(chunk)) {
        if (!this.#replies.hasRoom) await this.#replies.room();
        if (item.kind === 'write') await this.#write(item);
        else await this.#packet(item.type, item.body);
      }
    }
  }

  async #packet(type: number, body: Buffer): Promise<void> {
    if (!this.#initialized || type === packetType.init) {
      this.#initialize(type, body);
      return;
    }
    const { id, request, mutates, fields } = parseRequest(type, body);
    const { mutations } = this.#context;
    try {
      if (mutates && !mutations.permitted) await mutations.permission();
      const reply = request.handle(this.#context, id, fields);
      this.#reply(id, request.name, reply, mutates);
    } catch (error) {
      this.#refuse(id, request.name, error);
    }
  }

  #initialize(type: number, body: Buffer): void {
    if (type !== packetType.init || this.#initialized) {
      throw new StatusError(statusCode.badMessage, `packet ${type} where INIT belongs, or INIT again`);
    }
    new FieldReader(body).u32();
    this.#initialized = true;
    this.#replies.push(versionReply());
  }

  async #write({ id, handle, offset, data, last }: Extract<Item, { kind: 'write' }>): Promise<void> {
    if (!this.#initialized) throw new StatusError(statusCode.badMessage, 'WRITE before INIT');
    const { mutations } = this.#context;
    try {
      if (this.#writeError === null) {
        if (!mutations.permitted) await mutations.permission();
        writePiece(this.#context, handle, offset, data);
      }
    } catch (error) {
      this.#writeError = error;
    }
    if (!last) return;
    const failed = this.#writeError;
    this.#writeError = null;
    if (failed !== null) this.#refuse(id, 'write', failed);
    else this.#reply(id, 'write', okReply(id), true);
  }

  /** An acknowledgement of a change looks at the gate once more, right before it leaves. */
  #reply(id: number, name: string, reply: Buffer | Promise<Buffer>, acknowledges: boolean): void {
    const { mutations } = this.#context;
    if (Buffer.isBuffer(reply)) {
      if (acknowledges) mutations.assertMayAcknowledge();
      this.#replies.push(reply);
      return;
    }
    this.#replies.push(
      reply.then(
        (packet) => {
          mutations.assertMayAcknowledge();
          return packet;
        },
        (error) => this.#statusPacket(id, name, error),
      ),
    );
  }

  #refuse(id: number, name: string, error: unknown): void {
    this.#replies.push(this.#statusPacket(id, name, error));
  }

  /** @throws what may not be answered at all */
  #statusPacket(id: number, name: string, error: unknown): Buffer {
    if (error instanceof Error && error.name === 'MayNotAcknowledge') throw error;
    const { status, message } = statusOf(error);
    if (!(error instanceof StatusError)) this.#log.debug({ request: name, err: error }, 'a request failed');
    return statusReply(id, status, message);
  }
}
