import * as z from 'zod';
import { epochSchema, positionSchema } from '#contracts/identities.ts';
import { entrySchema } from '../manifest/entry.ts';

/**
 * The control messages between a leader's replicator and a follower's. Operations and file data have binary frames
 * of their own (codec.ts). A path is relative to the files root, bytes, one character a byte.
 */
const pathSchema = z.string().max(65_536);
const requestIdSchema = z.int().nonnegative();
const sequenceSchema = z.int().nonnegative();
/** From (inclusive) and to (exclusive) in a file, bytes; to = null: up to the end. */
const rangeSchema = z.tuple([z.int().nonnegative(), z.int().nonnegative().nullable()]);
export type Range = z.infer<typeof rangeSchema>;

/** One unbroken run of the journal as one leader process received it; sequences of two streams do not compare. */
const streamIdSchema = z.string().max(64);

export const dirtyPathSchema = z.object({
  path: pathSchema,
  /** null: whatever is there now, with all below it. Else only these parts of a file, its size and attributes. */
  ranges: z.array(rangeSchema).nullable(),
});
export type DirtyPath = z.infer<typeof dirtyPathSchema>;

const configFileSchema = z.object({
  path: z.string().max(4096),
  mode: z.int().min(0).max(0o777),
  /** base64 */
  content: z.string(),
});

export const toFollowerSchema = z.discriminatedUnion('type', [
  /** Answers `hello`. With `resumed`, operations go on after the follower's sequence; else catch-up comes first. */
  z.object({
    type: z.literal('welcome'),
    epoch: epochSchema,
    stream: streamIdSchema,
    resumed: z.boolean(),
    replicatesFiles: z.boolean(),
  }),
  /** Answers `hello`, and the connection ends. */
  z.object({ type: z.literal('refused'), code: z.string(), message: z.string() }),
  /** The whole config root. */
  z.object({
    type: z.literal('config'),
    epoch: epochSchema,
    digest: z.string(),
    files: z.array(configFileSchema),
  }),
  /** Answers `next-round`: bring these paths up to date, then ask again. */
  z.object({
    type: z.literal('round'),
    epoch: epochSchema,
    /** The first: everything, where equal size and time count as equal. Later ones compare contents. */
    first: z.boolean(),
    dirty: z.array(dirtyPathSchema),
    /** Set while no mutation runs: what is open, to be opened under the same handles. */
    final: z
      .object({
        sequence: sequenceSchema,
        handles: z.array(z.object({ handle: z.int().nonnegative(), path: pathSchema })),
      })
      .nullable(),
  }),
  /** Answers `next-round`: the follower is exactly at this place; operations come from the next one on. */
  z.object({
    type: z.literal('stream'),
    epoch: epochSchema,
    stream: streamIdSchema,
    sequence: sequenceSchema,
  }),
  /** Operations were lost on the way to the leader's replicator: catch up again, in this new stream. */
  z.object({ type: z.literal('restart'), epoch: epochSchema, stream: streamIdSchema, reason: z.string() }),
  /** Answers `list`, in several parts; `self` is null when nothing is there, and stands in the first part. */
  z.object({
    type: z.literal('listing'),
    id: requestIdSchema,
    self: entrySchema.nullable(),
    entries: z.array(entrySchema),
    last: z.boolean(),
  }),
  /** Answers `digest`; null when there is no such file. */
  z.object({ type: z.literal('digest-result'), id: requestIdSchema, digest: z.string().nullable() }),
  /** Answers `read`: data frames follow, then `file-end`. null when there is no such file, and nothing follows. */
  z.object({ type: z.literal('file'), id: requestIdSchema, entry: entrySchema.nullable() }),
  z.object({ type: z.literal('file-end'), id: requestIdSchema }),
  /** fsync everything applied up to this sequence, and answer `flushed`. */
  z.object({ type: z.literal('flush'), epoch: epochSchema, sequence: sequenceSchema }),
  /** Compare both trees, contents too. */
  z.object({ type: z.literal('scrub'), epoch: epochSchema }),
  /** Answers `scrub-suspects`: no mutation runs; these suspects did not change meanwhile and may be repaired. */
  z.object({ type: z.literal('scrub-repair'), epoch: epochSchema, paths: z.array(pathSchema) }),
]);
export type ToFollower = z.infer<typeof toFollowerSchema>;

export const toLeaderSchema = z.discriminatedUnion('type', [
  /** Always the first message. */
  z.object({
    type: z.literal('hello'),
    cluster: z.string(),
    nodeId: z.string(),
    highestEpoch: epochSchema,
    position: positionSchema,
    /** Where this process stands in a stream it was part of; null after a start. */
    resume: z.object({ stream: streamIdSchema, sequence: sequenceSchema }).nullable(),
  }),
  z.object({ type: z.literal('config-applied'), digest: z.string() }),
  /** Asks for the first or the next round; the one before is done and on disk. */
  z.object({ type: z.literal('next-round'), stream: streamIdSchema }),
  z.object({ type: z.literal('list'), id: requestIdSchema, path: pathSchema }),
  z.object({ type: z.literal('digest'), id: requestIdSchema, path: pathSchema }),
  /** ranges null: the whole file. */
  z.object({
    type: z.literal('read'),
    id: requestIdSchema,
    path: pathSchema,
    ranges: z.array(rangeSchema).nullable(),
  }),
  /** Everything up to `sequence` is applied, and on disk as far as it was marked durable. */
  z.object({
    type: z.literal('acknowledge'),
    epoch: epochSchema,
    stream: streamIdSchema,
    sequence: sequenceSchema,
  }),
  z.object({ type: z.literal('flushed'), sequence: sequenceSchema }),
  /** The paths where the trees differ and whose repair is prepared. */
  z.object({ type: z.literal('scrub-suspects'), paths: z.array(pathSchema) }),
  /** Answers `scrub-repair`: mutations may run again. */
  z.object({ type: z.literal('scrub-repaired') }),
  /** The comparison has ended. */
  z.object({ type: z.literal('scrub-result'), differences: z.int(), repaired: z.int() }),
]);
export type ToLeader = z.infer<typeof toLeaderSchema>;
