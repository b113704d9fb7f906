import { ByteReader, ByteWriter, FormatError } from '../bytes.ts';
import { encodeFrame, type Frame, FrameDecoder } from '../frames.ts';
import type { FromJournal, OpenHandle, ToJournal } from './message.ts';
import { readOperation, writeOperation } from './operation-codec.ts';

/**
 * The binary form of the journal's messages: frames (contracts/frames.ts) whose type is the message's number here and
 * whose body is its fields in order.
 *
 *     const decoder = new JournalDecoder(decodeToJournal);
 *     socket.on('data', (chunk) => { for (const message of decoder.push(chunk)) handle(message); });
 *     for (const part of encodeToJournal(message)) socket.write(part);   // cork()/uncork() around it
 *
 * Write data is never copied on encoding, and is a view of the received chunk on decoding when it arrived in one.
 * Everything throws FormatError, which names what was wrong; then the connection is to be closed.
 */
const toJournalType = { hello: 1, operation: 2, held: 3 } as const satisfies Record<
  ToJournal['type'],
  number
>;
const fromJournalType = {
  welcome: 65,
  durable: 66,
  hold: 67,
  release: 68,
  refuse: 69,
} as const satisfies Record<FromJournal['type'], number>;

export { FormatError } from '../bytes.ts';

/** The buffers of one frame, to be written in order. */
export function encodeToJournal(message: ToJournal): Buffer[] {
  const type = toJournalType[message.type];
  const writer = new ByteWriter();
  switch (message.type) {
    case 'hello':
      return encodeFrame(type, writer.u64(message.epoch).u64(message.nextSequence).finish());
    case 'operation': {
      writer.u64(message.epoch).u64(message.sequence).flag(message.durable);
      const [fields = Buffer.alloc(0), ...data] = writeOperation(writer, message.operation);
      return encodeFrame(type, fields, ...data);
    }
    case 'held': {
      writer.u64(message.sequence).u32(message.handles.length);
      for (const { handle, path } of message.handles) writer.u32(handle).bytes(path);
      return encodeFrame(type, writer.finish());
    }
  }
}

export function decodeToJournal(frame: Frame): ToJournal {
  const reader = new ByteReader(frame.body);
  switch (frame.type) {
    case toJournalType.hello:
      return ended(reader, {
        type: 'hello',
        epoch: reader.u64('epoch'),
        nextSequence: reader.u64('next sequence'),
      });
    case toJournalType.operation:
      return {
        type: 'operation',
        epoch: reader.u64('epoch'),
        sequence: reader.u64('sequence'),
        durable: reader.flag('durable'),
        operation: readOperation(reader),
      };
    case toJournalType.held:
      return ended(reader, {
        type: 'held',
        sequence: reader.u64('sequence'),
        handles: readHandles(reader),
      });
    default:
      throw new FormatError(`unknown message type ${frame.type}`);
  }
}

/** The buffers of one frame, to be written in order. */
export function encodeFromJournal(message: FromJournal): Buffer[] {
  const type = fromJournalType[message.type];
  const writer = new ByteWriter();
  switch (message.type) {
    case 'welcome':
      return encodeFrame(type, writer.u64(message.epoch).finish());
    case 'durable':
      return encodeFrame(type, writer.u64(message.sequence).finish());
    case 'hold':
    case 'release':
      return encodeFrame(type, writer.finish());
    case 'refuse':
      return encodeFrame(type, writer.text(message.reason).finish());
  }
}

export function decodeFromJournal(frame: Frame): FromJournal {
  const reader = new ByteReader(frame.body);
  switch (frame.type) {
    case fromJournalType.welcome:
      return ended(reader, { type: 'welcome', epoch: reader.u64('epoch') });
    case fromJournalType.durable:
      return ended(reader, { type: 'durable', sequence: reader.u64('sequence') });
    case fromJournalType.hold:
      return ended(reader, { type: 'hold' });
    case fromJournalType.release:
      return ended(reader, { type: 'release' });
    case fromJournalType.refuse:
      return ended(reader, { type: 'refuse', reason: reader.text('reason') });
    default:
      throw new FormatError(`unknown message type ${frame.type}`);
  }
}

/** Turns received chunks into messages, whatever way the stream was cut. */
export class JournalDecoder<Message> {
  readonly #frames = new FrameDecoder();
  readonly #decode: (frame: Frame) => Message;

  constructor(decode: (frame: Frame) => Message) {
    this.#decode = decode;
  }

  *push(chunk: Buffer): Generator<Message, void, void> {
    for (const frame of this.#frames.push(chunk)) yield this.#decode(frame);
  }
}

function readHandles(reader: ByteReader): OpenHandle[] {
  const count = reader.u32('number of handles');
  const handles: OpenHandle[] = [];
  for (let index = 0; index < count; index++) {
    handles.push({ handle: reader.u32('handle'), path: reader.bytes('path of a handle') });
  }
  return handles;
}

function ended<Message>(reader: ByteReader, message: Message): Message {
  reader.end();
  return message;
}
