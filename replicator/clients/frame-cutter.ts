import { FormatError } from '#contracts/bytes.ts';
import { maxRequestFrameBytes } from '#contracts/engine/limits.ts';
import type { Frame } from '#contracts/frames.ts';

const lengthBytes = 4;

export interface Cut {
  readonly frames: readonly Frame[];
  /** Where the first frame begins that is not whole. */
  readonly rest: number;
  /** How many bytes that frame has in all, as far as it is known. */
  readonly needed: number;
}

/**
 * The whole frames between `start` and `end`, as views. No byte is copied.
 * @throws FormatError when a length is out of bounds
 */
export function cutFrames(bytes: Buffer, start: number, end: number): Cut {
  const frames: Frame[] = [];
  let rest = start;
  let needed = lengthBytes;
  while (end - rest >= lengthBytes) {
    const length = bytes.readUInt32BE(rest);
    if (length === 0 || length > maxRequestFrameBytes)
      throw new FormatError(`a frame of ${length} bytes: 1 to ${maxRequestFrameBytes} are taken`);
    if (end - rest < lengthBytes + length) {
      needed = lengthBytes + length;
      break;
    }
    const body = bytes.subarray(rest + lengthBytes + 1, rest + lengthBytes + length);
    frames.push({ type: bytes.readUInt8(rest + lengthBytes), body });
    rest += lengthBytes + length;
  }
  return { frames, rest, needed };
}
