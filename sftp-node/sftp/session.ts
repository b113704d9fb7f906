import type { Logger } from '#contracts/log.ts';
import { SessionLost } from '../engine/errors.ts';
import { auditRefusal, type Refused, shown } from './audit.ts';
import type { SessionContext } from './context.ts';
import { FieldReader } from './fields.ts';
import { abandon } from './handlers/files.ts';
import { IncomingWrite } from './incoming-write.ts';
import { PacketStream, type WritePiece } from './packet-stream.ts';
import { packetType, statusCode } from './protocol.ts';
import { okReply, statusReply, versionReply } from './replies.ts';
import { ReplyQueue, type SftpConnection } from './reply-queue.ts';
import { type ParsedRequest, parseRequest } from './requests.ts';
import { StatusError, statusOf } from './status-error.ts';

/**
 * Serves SFTP on a channel until the client ends it. Rejects when what came cannot be SFTP, or when a change may not be
 * acknowledged; the caller closes the connection then.
 */
export async function serveSftp(
  connection: SftpConnection,
  context: SessionContext,
  log: Logger,
): Promise<void> {
  const session = new SftpSession(connection, context, log);
  try {
    await session.run();
  } finally {
    abandon(context);
  }
}

class SftpSession {
  readonly #connection: SftpConnection;
  readonly #context: SessionContext;
  readonly #log: Logger;
  readonly #stream = new PacketStream();
  readonly #replies: ReplyQueue;
  readonly #write: IncomingWrite;
  #initialized = false;
  #isPatient = true;

  constructor(connection: SftpConnection, context: SessionContext, log: Logger) {
    this.#connection = connection;
    this.#context = context;
    this.#log = log;
    this.#replies = new ReplyQueue(connection, (acknowledges) =>
      acknowledges ? context.gate.isOpen : !context.gate.isOver,
    );
    // H1: nobody knows what became of its changes.
    context.engine.lost.addEventListener('abort', () => connection.hangUp(), { once: true });
    this.#write = new IncomingWrite(context, () => this.#permission());
  }

  async run(): Promise<void> {
    for await (const chunk of this.#connection.channel) {
      for (const item of this.#stream.push(chunk)) {
        if (!this.#replies.hasRoom) await this.#replies.room();
        if (this.#isOver) break;
        if (item.kind === 'write') await this.#receiveWrite(item);
        else await this.#receivePacket(item.type, item.body);
      }
      if (this.#isOver) break;
    }
    await this.#replies.idle();
    if (this.#replies.failure !== null) throw this.#replies.failure;
  }

  get #isOver(): boolean {
    return this.#connection.signal.aborted || this.#replies.failure !== null;
  }

  async #receivePacket(type: number, body: Buffer): Promise<void> {
    if (type === packetType.init || !this.#initialized) {
      this.#initialize(type, body);
      return;
    }
    const parsed = parseRequest(this.#context, type, body);
    if (parsed.request.needsAdmission) await this.#admission();
    if (parsed.mutates && !this.#context.engine.permitted) {
      try {
        await this.#permission();
      } catch (error) {
        this.#refuse(parsed, error);
        parsed.request.refused?.(this.#context, parsed.fields);
        return;
      }
    }
    if (!parsed.mutates) {
      try {
        await this.#context.engine.readBarrier();
      } catch (error) {
        this.#refuse(parsed, error);
        return;
      }
    }
    this.#carryOut(parsed);
  }

  #carryOut(parsed: ParsedRequest): void {
    const { id, request, mutates, fields } = parsed;
    try {
      const reply = request.handle(this.#context, id, fields);
      this.#replies.push(Buffer.isBuffer(reply) ? reply : this.#orRefusal(reply, parsed), mutates);
    } catch (error) {
      this.#refuse(parsed, error);
    }
  }

  #orRefusal(reply: Promise<Buffer>, parsed: ParsedRequest): Promise<Buffer> {
    // Read now: the packet must not be kept as long as the reply takes.
    const refused = refusedOf(parsed);
    return reply.catch((error) => {
      if (error instanceof SessionLost) throw error;
      return this.#refusal(parsed.id, refused, error);
    });
  }

  /** As OpenSSH, which takes INIT again. @throws StatusError for a request before it */
  #initialize(type: number, body: Buffer): void {
    if (type !== packetType.init) {
      throw new StatusError(statusCode.badMessage, `packet ${type} where INIT belongs`);
    }
    new FieldReader(body).u32();
    this.#initialized = true;
    this.#replies.push(versionReply(), false);
  }

  async #receiveWrite(piece: WritePiece): Promise<void> {
    if (!this.#initialized) throw new StatusError(statusCode.badMessage, 'WRITE before INIT');
    const outcome = await this.#write.receive(piece);
    if (outcome === null) return;
    // Read now: the data must not be kept as long as the reply takes.
    const { id, handle } = piece;
    const refusal = (error: unknown) => this.#refusalOfWrite(id, handle, error);
    if ('made' in outcome)
      this.#replies.push(
        outcome.made.then(() => okReply(id), refusal),
        true,
      );
    else this.#replies.push(refusal(outcome.error), false);
  }

  /** A session in the middle of transfers may need more files to end them; one that has none open waits. */
  async #admission(): Promise<void> {
    const { admission, handles } = this.#context;
    if (!admission.isOpen && handles.files.length === 0) await admission.opened(this.#connection.signal);
  }

  /** Clients send many requests at once: after one that waited in vain the others do not wait as well. */
  async #permission(): Promise<void> {
    const { signal } = this.#connection;
    try {
      await this.#context.engine.permission(this.#isPatient ? { signal } : { signal, patienceMs: 0 });
      this.#isPatient = true;
    } catch (error) {
      this.#isPatient = false;
      throw error;
    }
  }

  #refuse(parsed: ParsedRequest, error: unknown): void {
    this.#replies.push(this.#refusal(parsed.id, refusedOf(parsed), error), false);
  }

  #refusal(id: number, refused: Refused, error: unknown): Buffer {
    const { status, message } = statusOf(error);
    auditRefusal(this.#context.audit, refused, error);
    if (!(error instanceof StatusError))
      this.#log.debug({ request: refused.request, err: error }, 'a request failed');
    return statusReply(id, status, message);
  }

  /** A client sends thousands of WRITEs before it hears of the first: the same reason is told once of each file. */
  #refusalOfWrite(id: number, handle: Buffer, error: unknown): Buffer {
    if (error instanceof SessionLost) throw error;
    const { status, message } = statusOf(error);
    const file = this.#context.handles.find(handle);
    if (file?.kind === 'file' && file.lastRefusal !== message) {
      file.lastRefusal = message;
      const about = { path: shown(file.path) };
      auditRefusal(this.#context.audit, { request: 'write', mutates: true, about }, error);
    }
    return statusReply(id, status, message);
  }
}

function refusedOf({ request, mutates, subject }: ParsedRequest): Refused {
  return { request: request.name, mutates, about: subject() };
}
