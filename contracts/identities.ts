import * as z from 'zod';

/** Name of a host in the cluster: what an operator types. Also used as a path segment in etcd. */
export const nodeIdSchema = z
  .string()
  .regex(
    /^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/,
    'is not made of lower-case letters, digits, "." and "-" (at most 63)',
  );
export type NodeId = z.infer<typeof nodeIdSchema>;

/**
 * The fencing token of one leadership: the etcd `mod_revision` of the leader key, counted on through every restore of
 * etcd from a snapshot (supervisor/core/records/era.ts). The key is written only when leadership is claimed or transferred, so every leadership has its own, larger, epoch.
 * 0 means "none yet".
 */
export const epochSchema = z.int().nonnegative();
export type Epoch = z.infer<typeof epochSchema>;

/** A place in the ordered stream of operations: the leadership and the operation's number within it. */
export const positionSchema = z.object({ epoch: epochSchema, sequence: z.int().nonnegative() });
export type Position = z.infer<typeof positionSchema>;

/** Orders positions as the stream does: negative when `a` is before `b`, 0 when equal. */
export function comparePositions(a: Position, b: Position): number {
  return a.epoch - b.epoch || a.sequence - b.sequence;
}
