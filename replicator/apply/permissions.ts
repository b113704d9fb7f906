import type { BigIntStats } from 'node:fs';

/** Who the engine is to the kernel. */
export interface Credentials {
  readonly uid: number;
  /** The group and the supplementary ones. */
  readonly groups: readonly number[];
}

export const permission = { read: 4, write: 2, search: 1 } as const;

/** Those of this process. */
export function ownCredentials(): Credentials {
  return {
    uid: process.geteuid?.() ?? 0,
    groups: [process.getegid?.() ?? 0, ...(process.getgroups?.() ?? [])],
  };
}

/**
 * Whether the mode of a file or directory grants all of these bits, as the kernel judges: the bits of the first class
 * that fits count, and root may do everything here. Access control lists are not looked at.
 */
export function permits({ uid, groups }: Credentials, stats: BigIntStats, bits: number): boolean {
  if (uid === 0) return true;
  const mode = Number(stats.mode);
  const shift = Number(stats.uid) === uid ? 6 : groups.includes(Number(stats.gid)) ? 3 : 0;
  return ((mode >> shift) & bits) === bits;
}

/** Whether its mode and times may be set. */
export function owns({ uid }: Credentials, stats: BigIntStats): boolean {
  return uid === 0 || Number(stats.uid) === uid;
}
