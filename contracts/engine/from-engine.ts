import { ByteReader, ByteWriter, FormatError } from '../bytes.ts';
import { encodeFrameWithin, type Frame } from '../frames.ts';
import { readCode, readPath, readSentence, writeCode, writePath, writeSentence } from './fields.ts';
import { type Allowance, maxAnswerFrameBytes, maxWriteBytes } from './limits.ts';
import { type FromEngine, type GoodbyeCode, goodbyeCodes, type SessionAnswer } from './message.ts';

/**
 * The binary form of what the engine says: as in to-engine.ts. What concerns a session begins with `u32 session`, an
 * answer goes on with `u32 request`.
 */
const typeOf = {
  welcome: 65,
  goodbye: 66,
  refusing: 67,
  pong: 68,
  acknowledged: 69,
  appended: 70,
  'write-refused': 71,
  begun: 72,
  opened: 73,
  done: 74,
  refused: 75,
} as const satisfies Record<FromEngine['kind'], number>;

const kindOf = new Map<number, FromEngine['kind']>(
  Object.entries(typeOf).map(([kind, type]) => [type, kind as FromEngine['kind']]),
);

/** Paths that a request can name. */
const maxPaths = 2;

/** One buffer. Sentences are cut to their bound. @throws FormatError when another field is beyond its bound */
export function encodeFromEngine(message: FromEngine): Buffer {
  const writer = new ByteWriter();
  switch (message.kind) {
    case 'welcome':
      writeAllowance(writer.u16(message.version).u64(message.epoch), message.allowance);
      break;
    case 'goodbye':
      writeSentence(writeCode(writer, message.code), message.sentence);
      break;
    case 'refusing':
      writeSentence(writer, message.reason);
      break;
    case 'pong':
      writer.u32(message.number);
      break;
    case 'acknowledged':
      writer.u32(message.session).u64(message.bytes);
      break;
    default:
      writeAnswer(writer.u32(message.session).u32(message.request), message);
  }
  const [frame] = encodeFrameWithin(maxAnswerFrameBytes, typeOf[message.kind], writer.finish());
  if (frame === undefined) throw new Error('a frame without parts');
  return frame;
}

type AnswerOf = Exclude<SessionAnswer, { kind: 'acknowledged' }>;

function writeAnswer(writer: ByteWriter, answer: AnswerOf): void {
  switch (answer.kind) {
    case 'appended':
      writer.u64(answer.size);
      return;
    case 'write-refused':
      writeSentence(writeCode(writer.u32(answer.written), answer.errno), answer.sentence);
      return;
    case 'begun':
      writer.u32(answer.made);
      return;
    case 'opened':
      writePath(writer.u32(answer.handle), answer.path).flag(answer.created);
      writer.big64(answer.device).big64(answer.inode).u64(answer.size);
      return;
    case 'done':
      if (answer.paths.length > maxPaths) throw new FormatError(`${answer.paths.length} paths`);
      writer.flag(answer.durable).u8(answer.paths.length);
      for (const path of answer.paths) writePath(writer, path);
      return;
    case 'refused':
      writeSentence(writeCode(writer, answer.errno), answer.sentence);
  }
}

/** Buffers in the message are views of the frame. @throws FormatError */
export function decodeFromEngine({ type, body }: Frame): FromEngine {
  const kind = kindOf.get(type);
  if (kind === undefined) throw new FormatError(`unknown message type ${type}`);
  const reader = new ByteReader(body);
  const message = readMessage(kind, reader);
  reader.end();
  return message;
}

function readMessage(kind: FromEngine['kind'], reader: ByteReader): FromEngine {
  switch (kind) {
    case 'welcome':
      return {
        kind,
        version: reader.u16('version'),
        epoch: reader.u64('epoch'),
        allowance: readAllowance(reader),
      };
    case 'goodbye':
      return { kind, code: readGoodbyeCode(reader), sentence: readSentence(reader, 'sentence') };
    case 'refusing':
      return { kind, reason: readSentence(reader, 'reason') };
    case 'pong':
      return { kind, number: reader.u32('number') };
    case 'acknowledged':
      return { kind, session: reader.u32('session'), bytes: reader.u64('bytes') };
    default:
      return readAnswer(kind, reader);
  }
}

function readAnswer(kind: AnswerOf['kind'], reader: ByteReader): AnswerOf {
  const to = { session: reader.u32('session'), request: reader.u32('request') };
  switch (kind) {
    case 'appended':
      return { ...to, kind, size: reader.u64('size') };
    case 'write-refused':
      return {
        ...to,
        kind,
        written: readWritten(reader),
        errno: readCode(reader, 'errno'),
        sentence: readSentence(reader, 'sentence'),
      };
    case 'begun':
      return { ...to, kind, made: reader.u32('made') };
    case 'opened':
      return {
        ...to,
        kind,
        handle: reader.u32('handle'),
        path: readPath(reader, 'path'),
        created: reader.flag('created'),
        device: reader.big64('device'),
        inode: reader.big64('inode'),
        size: reader.u64('size'),
      };
    case 'done':
      return { ...to, kind, durable: reader.flag('durable'), paths: readPaths(reader) };
    case 'refused':
      return { ...to, kind, errno: readCode(reader, 'errno'), sentence: readSentence(reader, 'sentence') };
  }
}

function readPaths(reader: ByteReader): Buffer[] {
  const count = reader.u8('number of paths');
  if (count > maxPaths) throw new FormatError(`${count} paths, more than ${maxPaths}`);
  return Array.from({ length: count }, () => readPath(reader, 'path'));
}

function readWritten(reader: ByteReader): number {
  const written = reader.u32('written');
  if (written > maxWriteBytes) throw new FormatError(`${written} bytes written of one WRITE`);
  return written;
}

function readGoodbyeCode(reader: ByteReader): GoodbyeCode {
  const code = readCode(reader, 'code');
  const known = goodbyeCodes.find((known) => known === code);
  if (known === undefined) throw new FormatError('an unknown code of a goodbye');
  return known;
}

function writeAllowance(writer: ByteWriter, allowance: Allowance): void {
  writer.u32(allowance.sessions).u32(allowance.handles).u32(allowance.requests);
  writer.u32(allowance.connectionRequests);
  writer.u32(allowance.connectionCreditBytes).u32(allowance.sessionCreditBytes);
  writer.u32(allowance.sessionShareBytes);
}

function readAllowance(reader: ByteReader): Allowance {
  const at = (field: string) => {
    const value = reader.u32(field);
    if (value === 0) throw new FormatError(`an allowance of no ${field}`);
    return value;
  };
  return {
    sessions: at('sessions'),
    handles: at('handles'),
    requests: at('requests'),
    connectionRequests: at('connection requests'),
    connectionCreditBytes: at('connection credit'),
    sessionCreditBytes: at('session credit'),
    sessionShareBytes: at('session share'),
  };
}
