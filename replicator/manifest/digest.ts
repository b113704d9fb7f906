import { createHash } from 'node:crypto';
import { close, constants, read } from 'node:fs';
import { promisify } from 'node:util';
import type { Tree } from '../tree/tree.ts';
import { isGone } from './entry.ts';

const readAsync = promisify(read);
const closeAsync = promisify(close);
const sliceBytes = 256 * 1024;

/** SHA-256 of a file's content, hex, read in slices between which others run; null when there is no such file. */
export async function digestFile(tree: Tree, path: Buffer, signal: AbortSignal): Promise<string | null> {
  let file: number;
  try {
    file = tree.open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
  try {
    const hash = createHash('sha256');
    const slice = Buffer.allocUnsafe(sliceBytes);
    for (let offset = 0; ; ) {
      signal.throwIfAborted();
      const { bytesRead } = await readAsync(file, slice, 0, slice.length, offset);
      if (bytesRead === 0) return hash.digest('hex');
      hash.update(slice.subarray(0, bytesRead));
      offset += bytesRead;
    }
  } finally {
    await closeAsync(file);
  }
}
