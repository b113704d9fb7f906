import * as z from 'zod';
import { nodeIdSchema } from '#contracts/identities.ts';
import { byField } from '../core/operation/request.ts';

/** What operators may ask of a supervisor over its control socket. */

export const cancelRequestSchema = z.strictObject({ by: byField });
export const pauseRequestSchema = z.strictObject({ by: byField, reason: z.string().max(500) });
export const clearRequestSchema = z.strictObject({ by: byField });
/** As many as the operator was shown: if it would be many more by now, it waits again. */
export const acceptRemovalRequestSchema = z.strictObject({ by: byField, files: z.int().nonnegative() });
export const resumeRequestSchema = z.strictObject({ by: byField });
/** The hosts that the operator was shown as those that hold most: if it is others by now, it is refused. */
export const acceptEtcdRequestSchema = z.strictObject({
  by: byField,
  members: z.array(nodeIdSchema).max(100),
});
/** A key of etcd that cannot be read, as the operator was shown it. */
export const mendRequestSchema = z.strictObject({
  by: byField,
  key: z.string().max(64),
  modRevision: z.int().positive(),
});
