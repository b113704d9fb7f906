/** What the kernel, or we before it, answer to a change that cannot be made. */
export type Errno =
  | 'EACCES'
  | 'EAGAIN'
  | 'EBADF'
  | 'EBUSY'
  | 'EEXIST'
  | 'EFBIG'
  | 'EINVAL'
  | 'EIO'
  | 'EISDIR'
  | 'ELOOP'
  | 'EMLINK'
  | 'ENAMETOOLONG'
  | 'ENOENT'
  | 'ENOSPC'
  | 'ENOTDIR'
  | 'ENOTEMPTY'
  | 'EPERM'
  | 'EROFS'
  | 'EXDEV';

/** A refusal of our own, with a code as those of the kernel have one. */
export class ErrnoError extends Error {
  override readonly name = 'ErrnoError';
  readonly code: Errno;

  constructor(code: Errno, message: string) {
    super(message);
    this.code = code;
  }
}

/** The error code of a failed system call, or undefined. */
export function errnoOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | null)?.code;
}
