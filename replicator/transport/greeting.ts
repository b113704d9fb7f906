import type { Duplex } from 'node:stream';
import * as z from 'zod';
import { HoldfastError } from '#contracts/errors.ts';

/**
 * The first thing that a listener says, `u16 length | JSON`, once it has checked the key of who called: a dialer then
 * knows that it is let in, or why it is not. It stays as it is in every version of the protocol.
 */
const greetingSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('accepted') }),
  z.object({
    type: z.literal('refused'),
    code: z.enum(['PEER_REFUSED', 'PEER_PROTOCOL']),
    message: z.string(),
  }),
]);
export type Greeting = z.infer<typeof greetingSchema>;

const maxGreetingBytes = 4096;

export function encodeGreeting(greeting: Greeting): Buffer {
  const json = Buffer.from(JSON.stringify(greeting));
  const head = Buffer.alloc(2);
  head.writeUInt16BE(json.length);
  return Buffer.concat([head, json]);
}

/**
 * Takes no byte more of the stream.
 * @throws HoldfastError PEER_PROTOCOL when it is none; never settles when the stream ends before
 */
export async function readGreeting(stream: Duplex): Promise<Greeting> {
  const head = await take(stream, 2);
  const length = head.readUInt16BE(0);
  if (length === 0 || length > maxGreetingBytes) throw notUnderstood();
  const json = (await take(stream, length)).toString('utf8');
  try {
    return greetingSchema.parse(JSON.parse(json));
  } catch {
    throw notUnderstood();
  }
}

function take(stream: Duplex, bytes: number): Promise<Buffer> {
  return new Promise((resolve) => {
    const look = () => {
      const taken: Buffer | null = stream.read(bytes);
      if (taken === null || taken.length < bytes) return;
      stream.off('readable', look);
      resolve(taken);
    };
    stream.on('readable', look);
    look();
  });
}

function notUnderstood(): HoldfastError {
  return new HoldfastError('PEER_PROTOCOL', 'what it says first is nothing that this release understands');
}
