import type * as z from 'zod';
import { ByteReader, ByteWriter, FormatError } from '#contracts/bytes.ts';
import { encodeFrameWithin, type Frame } from '#contracts/frames.ts';
import { decodeToJournal } from '#contracts/journal/codec.ts';
import type { ToJournal } from '#contracts/journal/message.ts';

/**
 * Frames between replicators are cut as the journal's are (`u32 length | u8 type | body`), and may be longer: the
 * config root travels in one.
 */
export const maxPeerFrameBytes = 16 * 1024 * 1024;

const frameType = {
  /** The journal's own operation frame, body and all: passed on as it came. */
  operation: 2,
  /** `u32 request id | u64 offset | bytes` */
  data: 128,
  /** JSON of a control message. */
  control: 129,
  /** The sender lives; no body. */
  alive: 130,
} as const;

export type OperationFrame = Extract<ToJournal, { type: 'operation' }>;
export interface DataFrame {
  readonly type: 'data';
  readonly id: number;
  readonly offset: number;
  readonly data: Buffer;
}

export function encodeAlive(): Buffer[] {
  return encodeFrameWithin(maxPeerFrameBytes, frameType.alive, Buffer.alloc(0));
}

export function encodeControl(message: { readonly type: string }): Buffer[] {
  return encodeFrameWithin(maxPeerFrameBytes, frameType.control, Buffer.from(JSON.stringify(message)));
}

export function encodeData(id: number, offset: number, data: Buffer): Buffer[] {
  const fields = new ByteWriter(16).u32(id).u64(offset).finish();
  return encodeFrameWithin(maxPeerFrameBytes, frameType.data, fields, data);
}

/**
 * @param schema of the control messages that this side takes
 * @returns null: the sender lives
 * @throws FormatError
 */
export function decodePeerFrame<Schema extends z.ZodType>(
  schema: Schema,
  frame: Frame,
): z.infer<Schema> | OperationFrame | DataFrame | null {
  switch (frame.type) {
    case frameType.operation: {
      const message = decodeToJournal(frame);
      if (message.type !== 'operation') throw new FormatError('not an operation');
      return message;
    }
    case frameType.data: {
      const reader = new ByteReader(frame.body);
      return { type: 'data', id: reader.u32('request'), offset: reader.u64('offset'), data: reader.rest() };
    }
    case frameType.alive:
      if (frame.body.length > 0) throw new FormatError('a sign of life with a body');
      return null;
    case frameType.control:
      return decodeControl(schema, frame.body);
    default:
      throw new FormatError(`unknown frame type ${frame.type}`);
  }
}

function decodeControl<Schema extends z.ZodType>(schema: Schema, body: Buffer): z.infer<Schema> {
  let json: unknown;
  try {
    json = JSON.parse(body.toString('utf8'));
  } catch {
    throw new FormatError('a control message that is not JSON');
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new FormatError(`a control message: ${issue?.path.join('.')}: ${issue?.message}`);
}
