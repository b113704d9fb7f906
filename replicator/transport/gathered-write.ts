import type { Writable } from 'node:stream';

/** Parts shorter than this share a packet; longer ones are not worth a copy. */
const copiedBytes = 16 * 1024;

/** Writes the parts in order. */
export function writeGathered(stream: Writable, parts: readonly Buffer[]): void {
  let small: Buffer[] = [];
  const writeSmall = () => {
    if (small.length > 0) stream.write(Buffer.concat(small));
    small = [];
  };
  for (const part of parts) {
    if (part.length < copiedBytes) small.push(part);
    else {
      writeSmall();
      stream.write(part);
    }
  }
  writeSmall();
}
