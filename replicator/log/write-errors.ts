import { HoldfastError, messageOf } from '#contracts/errors.ts';
import { UndoError } from './segment.ts';

export function flushFailed(folder: string, cause: unknown): HoldfastError {
  return new HoldfastError(
    'LOG_FLUSH_FAILED',
    `the operation log in ${folder} could not be flushed: ${messageOf(cause)}`,
    { cause },
  );
}

/** What a failed write is to the caller of a log; other errors pass as they are. */
export function unwritable(folder: string, cause: unknown, full: boolean): unknown {
  if (!(cause instanceof UndoError) && (cause as NodeJS.ErrnoException).errno === undefined) return cause;
  return new HoldfastError(
    full ? 'LOG_DISK_FULL' : 'LOG_UNWRITABLE',
    `the operation log in ${folder} cannot be written: ${messageOf(cause)}`,
    { cause },
  );
}
