import type { GoodbyeCode } from '#contracts/engine/message.ts';

/** The connection is to be ended, with this as its last word. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
  readonly code: GoodbyeCode;

  constructor(code: GoodbyeCode, message: string) {
    super(message);
    this.code = code;
  }
}
