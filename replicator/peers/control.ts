import * as z from 'zod';
import { epochSchema, nodeIdSchema, positionSchema } from '#contracts/identities.ts';
import { limits } from './limits.ts';

/** The control messages: JSON. What travels often has binary frames of its own (codec.ts). */
const chainSchema = z.string().regex(new RegExp(`^[0-9a-f]{${limits.chain * 2}}$`));
const codeSchema = z.string().regex(/^[A-Z][A-Z0-9_]{0,63}$/);
const sentenceSchema = z.string().max(4096);
const digestSchema = z.string().max(128);

/** `[epoch, first sequence]`, ascending in both; the newest when there are too many. */
const epochsSchema = z
  .array(z.tuple([epochSchema.min(1), z.int().positive()]))
  .max(limits.epochs)
  .refine(
    (epochs) =>
      epochs.every(([epoch, first], index) => {
        const before = epochs[index - 1];
        return before === undefined || (epoch > before[0] && first > before[1]);
      }),
    'is not an ascending table of epochs',
  );

/** The sender ends the connection, and why: the last frame. */
const endedSchema = z.object({ type: z.literal('ended'), code: codeSchema, message: sentenceSchema });

/** Always a follower's first message: where its log stands, for the leader to find the common point (F2). */
const helloSchema = z.object({
  type: z.literal('hello'),
  cluster: z.string().max(255),
  node: nodeIdSchema,
  /** The highest it has ever seen. */
  highestEpoch: epochSchema,
  position: positionSchema,
  chain: chainSchema,
  epochs: epochsSchema,
  /** Its log has what lies behind it. */
  start: positionSchema,
});
export type Hello = z.infer<typeof helloSchema>;

/** Answers `hello`: where to go on from. */
const welcomeSchema = z.object({
  type: z.literal('welcome'),
  epoch: epochSchema,
  /** False: configuration alone is replicated, and nothing but that follows. */
  replicatesFiles: z.boolean(),
  /** The common point; with `anew` where the leader is now, since there is none that both logs reach. */
  position: positionSchema,
  chain: chainSchema,
  /** Where the leader's log ends: who has consumed that, and lacks nothing, holds what the leader held. */
  end: positionSchema,
  /** The table to begin a new log with; null: cut the log to `position`. */
  anew: epochsSchema.nullable(),
});
export type Welcome = z.infer<typeof welcomeSchema>;

const configSchema = z.object({
  type: z.literal('config'),
  epoch: epochSchema,
  digest: digestSchema,
  files: z
    .array(z.object({ path: z.string().max(4096), mode: z.int().min(0).max(0o777), content: z.string() }))
    .max(1000),
});
/** The whole configuration: in a frame of its own, since it may be long. */
export type ConfigMessage = z.infer<typeof configSchema>;

export const configFrameSchema = configSchema;
export const controlToFollowerSchema = z.discriminatedUnion('type', [
  welcomeSchema,
  /** Answers `hello`, and the connection ends. */
  z.object({ type: z.literal('refused'), code: codeSchema, message: sentenceSchema }),
  endedSchema,
]);
export type ControlToFollower = z.infer<typeof controlToFollowerSchema> | ConfigMessage;

export const controlToLeaderSchema = z.discriminatedUnion('type', [
  helloSchema,
  /** The log is cut, or begun anew, and stands where `welcome` said. */
  z.object({ type: z.literal('joined'), position: positionSchema, chain: chainSchema }),
  /** The configuration of this digest is in force, and may be relied on. */
  z.object({ type: z.literal('config-applied'), digest: digestSchema }),
  endedSchema,
]);
export type ControlToLeader = z.infer<typeof controlToLeaderSchema>;
