import * as z from 'zod';
import { positionSchema } from './identities.ts';

/** The folders of a host that outlive its processes, each of which may be lost, swapped or restored by itself. */
export const rootNames = ['data', 'config', 'state'] as const;
export type RootName = (typeof rootNames)[number];

/** The file in each root that says whose it is. No tree and no digest of the configuration counts it. */
export const rootRecordFile = '.holdfast-root.json';

/**
 * The identity of a root. It is written at the first start of a cluster, after a full comparison with a leader, for a
 * host of a release that wrote none, and by an operator's forced failover. That it is missing is no reason to write it.
 */
export const rootRecordSchema = z.object({
  format: z.literal(1),
  cluster: z.string().max(256),
  host: z.string().max(256),
  root: z.enum(rootNames),
  /** Random, made once, the same in the three roots. */
  id: z.string().min(1).max(64),
  /** The revision of etcd (counted on through restores) at which the id was made: of two ids the later one counts. */
  admittedAt: z.int().nonnegative(),
  /** What the host held when this was written. */
  held: positionSchema,
  /** Rises each time it is written: a root that was restored from an older copy shows an older one than the others. */
  revision: z.int().nonnegative(),
  /** Whether there was anything in the root beside this record. */
  holdsFiles: z.boolean(),
  /** `device:inode` of the root, a hint for people, compared with nothing: a root may be copied. */
  place: z.string().max(64),
});
export type RootRecord = z.infer<typeof rootRecordSchema>;

export const rootReportSchema = z.object({
  path: z.string(),
  /** Null: there is none, or none that can be read. */
  record: rootRecordSchema.nullable(),
  isEmpty: z.boolean(),
  /** `device:inode` now. */
  place: z.string(),
});
export type RootReport = z.infer<typeof rootReportSchema>;

/** The roots as the replicator found them. */
export const rootsReportSchema = z.object({
  data: rootReportSchema,
  config: rootReportSchema,
  state: rootReportSchema,
  /** They count for nothing until all of them was compared with a leader: what lies in them by then came from it. */
  areCompared: z.boolean().optional(),
});
export type RootsReport = z.infer<typeof rootsReportSchema>;

/** The id that all roots carry; null when they do not agree. */
export function commonRootId(roots: RootsReport): string | null {
  const id = roots.state.record?.id ?? null;
  return rootNames.every((name) => roots[name].record?.id === id) ? id : null;
}

/** Names the identities as they are, so that an order to replace them holds for no others. */
export function rootIdsOf(roots: RootsReport): string {
  return rootNames.map((name) => roots[name].record?.id ?? '-').join(' ');
}
