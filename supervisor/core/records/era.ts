import * as z from 'zod';
import { type Epoch, nodeIdSchema } from '#contracts/identities.ts';

/**
 * Epochs are revisions of etcd, and an etcd that was restored from a snapshot counts its revisions anew from there.
 * So that epochs never go back, an operator who accepts a restored etcd begins a new era: every epoch of an era is
 * larger than all of those before it.
 */
const epochsPerEra = 1_000_000_000;

/** `era`, kept without a lease; without the key it is era 0. */
export const eraSchema = z.object({
  number: z.int().nonnegative().max(1_000_000),
  acceptedBy: z.string(),
  /** Wall clock, ISO 8601. */
  acceptedAt: z.iso.datetime(),
});
export type Era = z.infer<typeof eraSchema>;

/** What is added to a revision of etcd. */
export function epochBaseOf(era: number): number {
  return era * epochsPerEra;
}

/** The first era whose epochs are all larger than this one. */
export function eraAfter(epoch: Epoch): number {
  return Math.floor(epoch / epochsPerEra) + 1;
}

/** How far etcd went back: the largest revision or epoch that was seen before, and the revision that was found then. */
export interface WentBack {
  readonly seen: number;
  readonly found: number;
}

/** `restored`: a host noticed that etcd went back. Kept until an operator accepts it; nobody leads meanwhile. */
export const restoredSchema = z.object({
  /** The largest revision or epoch that was seen before, and the revision that was found then. */
  seen: z.int().nonnegative(),
  found: z.int().nonnegative(),
  by: nodeIdSchema,
  /** Wall clock, ISO 8601. */
  at: z.iso.datetime(),
});
export type Restored = z.infer<typeof restoredSchema>;
