import { closest, distance } from 'fastest-levenshtein';
import { HoldfastError } from '#contracts/errors.ts';
import { isStale } from '../control/outlook.ts';
import type { Status } from '../control/status.ts';

/**
 * Refuses a host that is not of this cluster, and names the one that may be meant. While etcd does not answer nobody
 * knows who is.
 * @throws HoldfastError TARGET_UNKNOWN
 */
export function mustBeKnown(host: string, status: Status): void {
  const names = status.hosts.map(({ node }) => node);
  if (names.includes(host) || isStale(status)) return;
  const near = nearMiss(host, names);
  const hint = near === null ? '' : ` (did you mean ${near}?)`;
  throw new HoldfastError(
    'TARGET_UNKNOWN',
    `there is no host ${host} in this cluster: ${names.join(', ')}${hint}`,
  );
}

/** The one that differs by a letter or two of what was typed; null when none is near. */
export function nearMiss(typed: string, names: readonly string[]): string | null {
  if (names.length === 0) return null;
  const best = closest(typed, names);
  return distance(typed, best) <= Math.max(1, Math.floor(typed.length / 3)) ? best : null;
}
