import * as z from 'zod';

/** Why something happened: a stable code and a sentence (G6). */
export const causeSchema = z.object({ code: z.string(), sentence: z.string() });
export type Cause = Readonly<z.infer<typeof causeSchema>>;
