import * as z from 'zod';
import { epochSchema, nodeIdSchema } from '#contracts/identities.ts';
import { causeSchema } from '../cause.ts';

/** `history/<epoch>`: how one leadership came to be, written by its leader once it serves. The last ones are kept. */
export const historySchema = z.looseObject({
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
   * How long nobody served, at most and at least: from when the last leadership that served was last known to, to
   * serving. They are equal where the end was seen: after a planned move, or when the SFTP node died. A lease that ended
   * by itself had been silent for up to its TTL before. Null: not known.
   */
  outageMs: z.number().nullable(),
  outageAtLeastMs: z.number().nullable().default(null),
});
export type HistoryRecord = z.infer<typeof historySchema>;

/** A record with where it was last written, for changing it by compare-and-swap. */
export interface HistoryEntry {
  readonly record: HistoryRecord;
  readonly modRevision: number;
}

/** `departure`: why a leader went without handing over, by its own word or that of what cleaned up after it. */
export const departureSchema = z.object({
  node: nodeIdSchema,
  epoch: epochSchema,
  cause: causeSchema,
});
export type Departure = z.infer<typeof departureSchema>;

export const historyLimit = 200;
