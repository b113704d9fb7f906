import type { ChangedAttributes } from '#contracts/engine/message.ts';
import { codeOf } from '#contracts/errors.ts';
import type { Logger } from '#contracts/log.ts';
import { statusCode } from './protocol.ts';
import { StatusError, statusOf } from './status-error.ts';

/** What a request names: paths as the client wrote them, or the file of a handle, from the files root. */
export interface Subject {
  readonly asked?: readonly string[];
  readonly path?: string;
}

export interface Refused {
  readonly request: string;
  /** Whether it would have changed something. */
  readonly mutates: boolean;
  readonly about: Subject;
}

/**
 * One line for a request that was not carried out. Clients look for files that are not there all the time: that is for
 * debugging; what would have changed something, or reached for what is forbidden, is for the record.
 */
export function auditRefusal(audit: Logger, { request, mutates, about }: Refused, error: unknown): void {
  const { status, message } = statusOf(error);
  const level = mutates || status === statusCode.permissionDenied ? 'info' : 'debug';
  const cause = error instanceof StatusError ? undefined : codeOf(error);
  audit[level]({ audit: 'refused', request, ...about, status, reason: message, cause }, 'refused');
}

/** For logs: names are bytes, and mostly UTF-8. */
export function shown(path: Buffer): string {
  return path.toString('utf8');
}

/** Only what was asked for. */
export function shownAttributes({ size, mode, accessedAtUs, modifiedAtUs }: ChangedAttributes) {
  const seconds = (us: number | undefined) => (us === undefined ? undefined : us / 1e6);
  return {
    size,
    mode: mode?.toString(8),
    accessedAt: seconds(accessedAtUs),
    modifiedAt: seconds(modifiedAtUs),
  };
}
