import * as z from 'zod';
import { epochSchema, nodeIdSchema } from '#contracts/identities.ts';
import { causeSchema } from '../cause.ts';

/** `history/<epoch>`: how one leadership came to be, written by its leader once it serves. The last ones are kept. */
export const historySchema = z.object({
  epoch: epochSchema,
  node: nodeIdSchema,
  /** When it served; wall clock, ISO 8601. */
  at: z.iso.datetime(),
  /** Who led before, as far as this host knew. */
  from: z.object({ node: nodeIdSchema, epoch: epochSchema }).nullable(),
  cause: causeSchema,
  /** Who asked for it, when an operator did. */
  requestedBy: z.string().nullable(),
  operationId: z.string().nullable(),
  /** Milliseconds from the leader key to each part being up: they go side by side. */
  phases: z.object({
    replicatorMs: z.number(),
    sftpNodeMs: z.number(),
    vipMs: z.number(),
    announcedMs: z.number(),
    servingMs: z.number(),
  }),
  /**
   * How long nobody served. After a planned move: from shutting clients out to serving. Otherwise from when the leader
   * key was gone, or the SFTP node died: a lease that ended by itself had been silent for up to its TTL before.
   */
  outageMs: z.number().nullable(),
});
export type HistoryRecord = z.infer<typeof historySchema>;

/** `departure`: why a leader went without handing over, by its own word or that of what cleaned up after it. */
export const departureSchema = z.object({
  node: nodeIdSchema,
  epoch: epochSchema,
  cause: causeSchema,
});
export type Departure = z.infer<typeof departureSchema>;

export const historyLimit = 200;
