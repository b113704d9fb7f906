import * as z from 'zod';
import { nodeIdSchema, positionSchema } from '#contracts/identities.ts';

/**
 * `hosts/<id>`, kept without a lease: what a host held last, by its own word while it was in sync. It outlives the host's
 * disks, and so tells when they come back empty or older.
 */
export const hostRecordSchema = z.object({
  node: nodeIdSchema,
  /** The identity of its roots, and the revision at which they got it. */
  id: z.string().min(1).max(64),
  admittedAt: z.int().nonnegative(),
  held: positionSchema,
  revision: z.int().nonnegative(),
});
export type HostRecord = z.infer<typeof hostRecordSchema>;

/** As etcd has it. */
export interface StoredHost extends HostRecord {
  readonly modRevision: number;
}
