import { codeOf } from '#contracts/errors.ts';
import { type StatusCode, statusCode } from './protocol.ts';

/** A request that cannot be carried out: the client gets this status, with the sentence. */
export class StatusError extends Error {
  readonly status: StatusCode;

  constructor(status: StatusCode, message: string) {
    super(message);
    this.name = 'StatusError';
    this.status = status;
  }
}

const byErrno: Record<string, [status: StatusCode, sentence: string]> = {
  ENOENT: [statusCode.noSuchFile, 'No such file or directory'],
  ENOTDIR: [statusCode.noSuchFile, 'A part of the path is not a directory'],
  ELOOP: [statusCode.noSuchFile, 'Too many symbolic links'],
  EACCES: [statusCode.permissionDenied, 'Permission denied'],
  EPERM: [statusCode.permissionDenied, 'Operation not permitted'],
  EBUSY: [statusCode.permissionDenied, 'The home itself cannot be changed'],
  EAGAIN: [statusCode.failure, 'Changes are not taken at the moment: try again'],
  EROFS: [statusCode.permissionDenied, 'The file system is read-only'],
  EEXIST: [statusCode.failure, 'It exists already'],
  EISDIR: [statusCode.failure, 'It is a directory'],
  ENOTEMPTY: [statusCode.failure, 'The directory is not empty'],
  ENOSPC: [statusCode.failure, 'No space left on the server'],
  EDQUOT: [statusCode.failure, 'The quota is used up'],
  EXDEV: [statusCode.failure, 'It would cross file systems'],
  ENAMETOOLONG: [statusCode.failure, 'The name is too long'],
  EMLINK: [statusCode.failure, 'Too many links'],
  EFBIG: [statusCode.failure, 'The file would be too large'],
  EINVAL: [statusCode.failure, 'Invalid argument'],
  EBADF: [statusCode.failure, 'The handle is not open for this'],
  EIO: [statusCode.failure, 'The disk of the server reports an error'],
  EMFILE: [statusCode.failure, 'Too many open files on the server'],
};

/** What the client is told about an error of any kind. Paths of this host stay here. */
export function statusOf(error: unknown): { status: StatusCode; message: string } {
  if (error instanceof StatusError) return { status: error.status, message: error.message };
  const known = byErrno[codeOf(error)];
  if (known !== undefined) return { status: known[0], message: known[1] };
  return { status: statusCode.failure, message: 'Failure' };
}
