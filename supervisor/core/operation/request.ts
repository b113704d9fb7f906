import * as z from 'zod';
import { nodeIdSchema } from '#contracts/identities.ts';

/** Who asks, for the log and the history. */
export const byField = z
  .string()
  .min(1)
  .max(128)
  .regex(/^[\x20-\x7e]+$/, 'is not printable ASCII');

/** A switchover or failover, as an operator asks for it. */
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
