import { FormatError } from '#contracts/bytes.ts';
import type { Refusal } from '#contracts/engine/message.ts';
import { HoldfastError } from '#contracts/errors.ts';
import { ErrnoError, errnoOf } from '../apply/errno.ts';

const sentences: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or directory',
  EEXIST: 'something is there already',
  EACCES: 'it is not permitted',
  ENOSPC: 'there is no room left',
  EROFS: 'the file system is read-only',
  EAGAIN: 'changes are not taken at the moment',
  ENOTEMPTY: 'the directory is not empty',
  EIO: 'the disk, or a host that must have it, failed',
};

export function refusal(errno: string): Refusal {
  return { kind: 'refused', errno, sentence: sentences[errno] ?? `the change was refused: ${errno}` };
}

/** What a client is told when its request failed before anything was changed; null: that is no refusal. */
export function refusalOf(error: unknown): Refusal | null {
  if (error instanceof FormatError) return refusal('EINVAL');
  if (error instanceof HoldfastError) return error.code === 'LOG_DISK_FULL' ? refusal('ENOSPC') : null;
  const errno = errnoOf(error);
  const isOfTheKernel = error instanceof ErrnoError || (error as NodeJS.ErrnoException).errno !== undefined;
  return errno !== undefined && isOfTheKernel ? refusal(errno) : null;
}
