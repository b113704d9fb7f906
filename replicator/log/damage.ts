import { HoldfastError, messageOf } from '#contracts/errors.ts';

/** The full comparison is to follow (P7). */
export function damaged(where: string, what: string, cause?: unknown): HoldfastError {
  return new HoldfastError('LOG_DAMAGED', `the operation log in ${where} is damaged: ${what}`, { cause });
}

/** Errors of the disk while a log is read: one that cannot be read is damaged. Others pass as they are. */
export function diskError(where: string, error: unknown): unknown {
  const { code, errno } = error as NodeJS.ErrnoException;
  if (code === 'EIO') return damaged(where, messageOf(error), error);
  if (errno === undefined) return error;
  return new HoldfastError(
    'LOG_UNWRITABLE',
    `the operation log in ${where} cannot be opened: ${messageOf(error)}`,
    { cause: error },
  );
}
