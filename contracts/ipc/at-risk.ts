import * as z from 'zod';
import { nodeIdSchema, positionSchema } from '../identities.ts';

/** Names of one host in an answer to an operator, and in the standing report. */
export const maxNamesAsked = 1000;
export const maxNamesReported = 100;

export const nameAtRiskSchema = z.object({
  /** Below the files root; safe to print, and cut when long. A folder stands for all that lies in it when it was moved as a whole. */
  path: z.string(),
  /**
   * - stored: it lies there, and the host lacks it or has something older;
   * - attributes: only its mode or its times are others;
   * - removed: it is gone, and the host may have it still.
   */
  change: z.enum(['stored', 'attributes', 'removed']),
});
export type NameAtRisk = z.infer<typeof nameAtRiskSchema>;

/** A host that is not known to have all that was acknowledged, and what of it that host lacks. */
export const hostAtRiskSchema = z.object({
  nodeId: nodeIdSchema,
  /** Everything up to here is on its disk; null: that is not known of anything. */
  holds: positionSchema.nullable(),
  /** What changed since, the newest first, up to a limit. */
  names: z.array(nameAtRiskSchema),
  /** With those that are not named here. */
  total: z.int().nonnegative(),
  /** False: there are more than `total`. */
  isWhole: z.boolean(),
  /** Why it is not known what it lacks; null: it is. */
  unknown: z.string().nullable(),
});
export type HostAtRisk = z.infer<typeof hostAtRiskSchema>;

/** Up to which position of its log a host has everything, as an earlier leader knew it. */
export const heldSchema = z.object({ nodeId: nodeIdSchema, position: positionSchema });
export type Held = z.infer<typeof heldSchema>;
