import { join } from 'node:path';
import { codeOf, HoldfastError } from '../errors.ts';

/**
 * Where the last good version of each file of the config root is, laid out as the config root is. Hidden, and so no
 * part of what is replicated. The replicator alone writes there; a start reads there what it cannot use as it stands.
 */
export function lastGoodRoot(configRoot: string): string {
  return join(configRoot, '.last-good');
}

/** One file of the config root as it is in force. */
export interface InForce<Value> {
  /** Null: there is no good version of it. */
  readonly value: Value | null;
  /** Why the file itself is not in force; null when it is. */
  readonly problem: HoldfastError | null;
}

/**
 * Reads a file of the config root, or its last good version when that is no good.
 * @param read throws a HoldfastError for a file that may not be used
 */
export function readInForce<Value>(
  configRoot: string,
  path: string,
  read: (file: string) => Value,
): InForce<Value> {
  try {
    return { value: read(join(configRoot, path)), problem: null };
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    try {
      return { value: read(join(lastGoodRoot(configRoot), path)), problem: error };
    } catch {
      return { value: null, problem: error };
    }
  }
}

/** What is wrong with a file, and what is in force in its place. */
export function sentenceOf(problem: Error, hasLastGood: boolean): string {
  return `${problem.message}; ${hasLastGood ? 'the last good version is in force' : 'there is no good version of it'}`;
}

/** A file that nobody has made yet is not a problem. */
export function isMissing(problem: Error | null): boolean {
  return codeOf(problem?.cause) === 'ENOENT';
}
