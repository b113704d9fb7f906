/** The few elements of DER (X.690) that a certificate of ours is made of. */
const tag = {
  integer: 0x02,
  bitString: 0x03,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
  explicit0: 0xa0,
} as const;

function element(type: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  return Buffer.concat([Buffer.from([type]), lengthOf(content), content]);
}

function lengthOf({ length }: Buffer): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  if (length < 0x100) return Buffer.from([0x81, length]);
  if (length < 0x10000) return Buffer.from([0x82, length >> 8, length & 0xff]);
  throw new RangeError(`an element of ${length} bytes`);
}

export const sequence = (...contents: readonly Buffer[]) => element(tag.sequence, ...contents);
export const set = (...contents: readonly Buffer[]) => element(tag.set, ...contents);
export const explicit0 = (content: Buffer) => element(tag.explicit0, content);
/** @param value below 128 */
export const smallInteger = (value: number) => element(tag.integer, Buffer.from([value]));
/** @param hex as encoded */
export const objectIdentifier = (hex: string) => element(tag.objectIdentifier, Buffer.from(hex, 'hex'));
export const utf8String = (text: string) => element(tag.utf8String, Buffer.from(text, 'utf8'));
/** @param text `YYMMDDhhmmssZ`, from 1950 up to 2049 */
export const utcTime = (text: string) => element(tag.utcTime, Buffer.from(text, 'latin1'));
/** @param text `YYYYMMDDhhmmssZ` */
export const generalizedTime = (text: string) => element(tag.generalizedTime, Buffer.from(text, 'latin1'));
/** All bits of all bytes. */
export const bitString = (bytes: Buffer) => element(tag.bitString, Buffer.from([0]), bytes);
