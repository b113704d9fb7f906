import { closeSync, constants, openSync } from 'node:fs';
import type { Logger } from '#contracts/log.ts';
import type { Admission } from '../admission.ts';
import type { Mutations } from '../mutations.ts';
import { syncFile } from '../mutations.ts';
import type { Jail, Place } from '../paths/jail.ts';
import type { FieldReader } from './fields.ts';
import type { Handles } from './handles.ts';

/** What a request handler works with: one SFTP session of one user. */
export interface SessionContext {
  readonly user: string;
  readonly jail: Jail;
  readonly handles: Handles;
  readonly mutations: Mutations;
  readonly admission: Admission;
  /** The audit log: who did what to which file. */
  readonly audit: Logger;
}

/** A reply packet, at once or when what it says has come true. */
export type Reply = Buffer | Promise<Buffer>;

export type Handler = (context: SessionContext, id: number, fields: FieldReader) => Reply;

/** Runs `work`; when it fails, the descriptors are closed. */
export function orClose<Result>(fds: readonly number[], work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    for (const fd of fds) closeSync(fd);
    throw error;
  }
}

/**
 * Makes a change in the directories of these places, which are opened first, to be synced when the walk is over: a
 * change that was made must not fail afterwards for want of a descriptor.
 */
export function withDirectories<Result>(
  places: readonly Place[],
  change: () => Result,
): [result: Result, fds: number[]] {
  const fds: number[] = [];
  return orClose(fds, () => {
    for (const { directory } of places)
      fds.push(openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY));
    return [change(), fds];
  });
}

/** fsync of each, off the main thread, and closed in every case. */
export async function syncAndClose(fds: readonly number[]): Promise<void> {
  try {
    await syncAll(fds);
  } finally {
    for (const fd of fds) closeSync(fd);
  }
}

/** fsync of each, off the main thread; none is under way any more when this settles. */
export async function syncAll(fds: readonly number[]): Promise<void> {
  const results = await Promise.allSettled(fds.map((fd) => syncFile(fd)));
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
