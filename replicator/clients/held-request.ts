import type { Request } from '#contracts/engine/message.ts';
import type { AcceptedRequest } from './session.ts';

/** The request with memory of its own, shared as that of blocks is, which nothing overwrites. */
export function ownCopy({ session, request, settle }: AcceptedRequest): AcceptedRequest {
  const copied = Object.entries(request).map(([name, value]) => [
    name,
    Buffer.isBuffer(value) ? sharedCopy(value) : value,
  ]);
  return { session, request: Object.fromEntries(copied) as Request, settle };
}

function sharedCopy(bytes: Buffer): Buffer {
  const copy = Buffer.from(new SharedArrayBuffer(bytes.length));
  bytes.copy(copy);
  return copy;
}
