import * as z from 'zod';
import { nodeIdSchema } from '#contracts/identities.ts';

/** What operators may ask of a supervisor over its control socket. */

const byField = z
  .string()
  .min(1)
  .max(128)
  .regex(/^[\x20-\x7e]+$/, 'is not printable ASCII');

export const operationRequestSchema = z.strictObject({
  kind: z.enum(['switchover', 'failover']),
  /** Null: the best candidate. */
  to: nodeIdSchema.nullable(),
  /** ISO 8601 with its offset; null: at once. */
  at: z.iso.datetime({ offset: true }).nullable(),
  drainMs: z
    .int()
    .min(0)
    .max(24 * 3600 * 1000),
  force: z.boolean(),
  /** A rehearsal, for the history. */
  drill: z.boolean().default(false),
  by: byField,
  /** Only tells what would be done. */
  dryRun: z.boolean(),
});
export type OperationRequest = z.infer<typeof operationRequestSchema>;

export const cancelRequestSchema = z.strictObject({ by: byField });
export const pauseRequestSchema = z.strictObject({ by: byField, reason: z.string().max(500) });
export const clearRequestSchema = z.strictObject({ by: byField });
export const resumeRequestSchema = z.strictObject({ by: byField });
/** The hosts that the operator was shown as those that hold most: if it is others by now, it is refused. */
export const acceptEtcdRequestSchema = z.strictObject({
  by: byField,
  members: z.array(nodeIdSchema).max(100),
});
