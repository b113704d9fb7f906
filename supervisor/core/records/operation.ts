import * as z from 'zod';
import { epochSchema, nodeIdSchema } from '#contracts/identities.ts';
import { causeSchema } from '../cause.ts';

/**
 * `operation`: what an operator asked for last, and how far it is. Kept without a lease: it outlives everybody who
 * works on it. A new one is written over one that is over; over one that is not only while nobody leads
 * (`mayBeReplaced`).
 */
export const operationSchema = z.looseObject({
  id: z.string().regex(/^[0-9a-f]{8}$/),
  kind: z.enum(['switchover', 'failover']),
  /** Who led when it was asked for. Null: nobody. */
  from: nodeIdSchema.nullable(),
  /** Null: the best candidate at the time. */
  to: nodeIdSchema.nullable(),
  /** A failover to a host that may lack what was acknowledged; a switchover to one whose settings differ. */
  force: z.boolean(),
  drainMs: z.int().nonnegative(),
  /** A switchover that is a rehearsal, and is told so in the history. */
  drill: z.boolean().default(false),
  requestedBy: z.string(),
  /** Wall clock, ISO 8601. */
  requestedAt: z.iso.datetime(),
  /** When it is to begin; null: at once. */
  at: z.iso.datetime().nullable(),
  state: z.enum(['pending', 'running', 'done', 'failed', 'cancelled']),
  /** The leadership that was there when it was asked for, and later the one that runs it; 0: none. */
  epoch: epochSchema,
  /** The step that it is at, or ended at. */
  step: z.string().nullable(),
  steps: z.array(z.object({ step: z.string(), at: z.iso.datetime() })).max(50),
  /** Who asked to call it off. */
  cancelledBy: z.string().nullable(),
  outcome: causeSchema.nullable(),
  /** The operation whose place it took before that was over: nobody led, so nobody worked on it. */
  supersedes: z.string().nullable().default(null),
});
export type OperationRecord = z.infer<typeof operationSchema>;

/** The operation as etcd tells it. */
export interface Operation extends OperationRecord {
  readonly modRevision: number;
  /** Boot time of the reader at which it may begin. */
  readonly dueAtMs: number;
}

/** What is written: without what its reader knows of it. */
export function recordOf({ modRevision, dueAtMs, ...record }: Operation): OperationRecord {
  return record;
}

export function isOver(operation: Pick<OperationRecord, 'state'>): boolean {
  return operation.state !== 'pending' && operation.state !== 'running';
}

/** `successor`, on the lease of the leader: who takes over in a moment, and gets ready. */
export const successorRecordSchema = z.object({ node: nodeIdSchema, epoch: epochSchema });
export type SuccessorRecord = z.infer<typeof successorRecordSchema>;

/** `paused`: nobody is promoted by automation, but for the host that led when it was paused. */
export const pauseSchema = z.looseObject({
  by: z.string(),
  at: z.iso.datetime(),
  reason: z.string(),
  leader: nodeIdSchema.nullable(),
});
export type Pause = z.infer<typeof pauseSchema>;

/**
 * What stays under `paused` when a pause is ended. Were the key deleted, a request that wrote it where there was none,
 * and that a slow member carries out a second time, would find none again and pause the cluster anew.
 */
export const endedPause = { ended: true } as const;
export const storedPauseSchema = z.union([
  z.looseObject({ ended: z.literal(true) }).transform(() => ({ pause: null })),
  pauseSchema.transform((pause) => ({ pause })),
]);
