import * as z from 'zod';
import { HoldfastError } from '#contracts/errors.ts';
import type { Incoming } from './incoming.ts';

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
const headBytes = 2;

export function encodeGreeting(greeting: Greeting): Buffer {
  const json = Buffer.from(JSON.stringify(greeting));
  const head = Buffer.alloc(headBytes);
  head.writeUInt16BE(json.length);
  return Buffer.concat([head, json]);
}

/**
 * Takes no byte more of what comes.
 * @throws HoldfastError PEER_PROTOCOL when it is none; never settles when the connection ends before
 */
export async function readGreeting(incoming: Incoming): Promise<Greeting> {
  const text = await takeGreeting(incoming);
  try {
    return greetingSchema.parse(JSON.parse(text));
  } catch {
    throw notUnderstood();
  }
}

function takeGreeting(incoming: Incoming): Promise<string> {
  return new Promise((resolve, reject) => {
    let received: Buffer = Buffer.alloc(0);
    incoming.listen((chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < headBytes) return;
      const end = headBytes + received.readUInt16BE(0);
      const isPossible = end > headBytes && end <= headBytes + maxGreetingBytes;
      if (isPossible && received.length < end) return;
      incoming.unlisten(received.subarray(end));
      if (isPossible) resolve(received.toString('utf8', headBytes, end));
      else reject(notUnderstood());
    });
  });
}

function notUnderstood(): HoldfastError {
  return new HoldfastError('PEER_PROTOCOL', 'what it says first is nothing that this release understands');
}
