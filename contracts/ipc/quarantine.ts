import * as z from 'zod';

/**
 * What an operator asks about the quarantine of one host, and what its replicator answers. Every answer is bounded: a
 * list comes in pages, a folder is told by its first names, a discard is done in steps.
 */

export const quarantineReasons = ['only-here', 'differs', 'host-keys', 'unknown'] as const;
export type QuarantineReason = (typeof quarantineReasons)[number];

export const maxPageEntries = 200;
export const maxDiscardedAtOnce = 200;
/** Of a folder, so many names are told. */
export const maxContentNames = 200;

const idSchema = z.string().regex(/^[0-9a-f]{1,12}$/, 'is not an id of the quarantine');
const cursorSchema = z.string().max(600);

/** What to discard. `upTo` leaves out what was set aside after the operator was shown what there is. */
export const quarantineSelectionSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('ids'), ids: z.array(idSchema).min(1).max(100) }),
  z.strictObject({ kind: z.literal('all'), upTo: cursorSchema.nullable() }),
  z.strictObject({
    kind: z.literal('older'),
    /** Milliseconds; by the wall clock. */
    thanMs: z.int().nonnegative(),
    upTo: cursorSchema.nullable(),
  }),
]);
export type QuarantineSelection = z.infer<typeof quarantineSelectionSchema>;

export const quarantineRequestSchema = z.discriminatedUnion('kind', [
  /** The newest that are older than `before`, newest first. */
  z.strictObject({
    kind: z.literal('list'),
    before: cursorSchema.nullable(),
    limit: z.int().min(1).max(maxPageEntries),
  }),
  z.strictObject({ kind: z.literal('show'), id: idSchema }),
  /** Discards at most `maxDiscardedAtOnce`; asked again until `more` is false. A dry run counts all of them. */
  z.strictObject({
    kind: z.literal('discard'),
    selection: quarantineSelectionSchema,
    dryRun: z.boolean(),
    by: z.string().max(128),
  }),
]);
export type QuarantineRequest = z.infer<typeof quarantineRequestSchema>;

/** What lies aside on one host; part of the replicator's standing report. */
export const quarantineSummarySchema = z.object({
  entries: z.int().nonnegative(),
  /** On disk, with what the records take. */
  bytes: z.int().nonnegative(),
  /** When the oldest was set aside; null: nothing lies there. */
  oldestAt: z.string().nullable(),
  newestAt: z.string().nullable(),
  /** False: it is still being looked through, so there may be more. */
  isComplete: z.boolean(),
  /** What of it may lie there at most, in bytes and in milliseconds of age. */
  maxBytes: z.int().nonnegative(),
  maxAgeMs: z.int().nonnegative(),
});
export type QuarantineSummary = z.infer<typeof quarantineSummarySchema>;

export const quarantineEntrySchema = z.object({
  id: z.string(),
  /** When it was set aside, by that host's wall clock; ISO 8601. */
  at: z.string(),
  /** Of the leadership by whose tree it was judged; null: not recorded. */
  epoch: z.int().nonnegative().nullable(),
  leader: z.string().nullable(),
  reason: z.enum(quarantineReasons),
  type: z.enum(['file', 'folder', 'link', 'other']),
  /** Where it was, below the files root (host keys: below the config root); safe to print, and cut when long. */
  path: z.string(),
  /** Length of a file, or of all files in a folder; null while it is not known. */
  bytes: z.int().nonnegative().nullable(),
  /** Files and links in it, itself counted; null while it is not known. */
  files: z.int().nonnegative().nullable(),
  /** Whether a client was told that it is stored; null: not known. */
  acknowledged: z.boolean().nullable(),
});
export type QuarantineEntry = z.infer<typeof quarantineEntrySchema>;

const contentSchema = z.object({
  path: z.string(),
  type: quarantineEntrySchema.shape.type,
  bytes: z.int().nonnegative(),
});

export const quarantineDetailSchema = quarantineEntrySchema.extend({
  /** The exact bytes of the path. */
  pathBase64: z.string(),
  /** Where it lies, below the quarantine folder; one character a byte. */
  place: z.string(),
  mode: z.int().nonnegative(),
  modifiedAt: z.string(),
  /** Of a folder: its first names, folder by folder, and whether these are all. */
  content: z.array(contentSchema),
  isWhole: z.boolean(),
  /** What is at the path on this host now. */
  inService: contentSchema.omit({ path: true }).extend({ modifiedAt: z.string() }).nullable(),
});
export type QuarantineDetail = z.infer<typeof quarantineDetailSchema>;

export const quarantineAnswerSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('list'),
    entries: z.array(quarantineEntrySchema),
    /** For the next page; null: these are the oldest. */
    next: z.string().nullable(),
    summary: quarantineSummarySchema,
  }),
  z.object({ kind: z.literal('show'), entry: quarantineDetailSchema }),
  z.object({
    kind: z.literal('discard'),
    entries: z.int().nonnegative(),
    bytes: z.int().nonnegative(),
    /** The newest of them, as `upTo` takes it. */
    upTo: z.string().nullable(),
    more: z.boolean(),
  }),
  z.object({ kind: z.literal('refused'), code: z.string(), message: z.string() }),
]);
export type QuarantineAnswer = z.infer<typeof quarantineAnswerSchema>;

/** How much may lie there: so many bytes, or a share of the file system (0 to 1). */
export const quarantineBoundsSchema = z.object({
  maxBytes: z.union([z.object({ bytes: z.number().positive() }), z.object({ share: z.number().positive() })]),
  maxAgeMs: z.number().positive(),
  /** `health.minFreeMiB`, in bytes. */
  minFreeBytes: z.number().nonnegative(),
});
export type QuarantineBounds = z.infer<typeof quarantineBoundsSchema>;
