import { FormatError } from '#contracts/bytes.ts';
import { codeOf, type ErrorCode, errorTable, HoldfastError, messageOf } from '#contracts/errors.ts';

/** What a session says of an error before it ends the connection. */
export function endedFrame(error: unknown): { type: 'ended'; code: string; message: string } {
  const known = asPeerError(error);
  return { type: 'ended', code: known.code, message: known.message.slice(0, 4000) };
}

/** The error with a code that both sides can show. */
export function asPeerError(error: unknown): HoldfastError {
  if (error instanceof HoldfastError) return error;
  if (error instanceof FormatError)
    return new HoldfastError('PEER_PROTOCOL', error.message, { cause: error });
  const code = codeOf(error);
  return new HoldfastError(isKnown(code) ? code : 'INTERNAL', messageOf(error), { cause: error });
}

/** The peer ended the connection, and said why; codes of another release count as a refusal. */
export function peerEnded(code: string, message: string): HoldfastError {
  return new HoldfastError(
    isKnown(code) ? code : 'PEER_REFUSED',
    `the peer ended the connection: ${message}`,
  );
}

function isKnown(code: string): code is ErrorCode {
  return Object.hasOwn(errorTable, code);
}
