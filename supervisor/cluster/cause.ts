import * as z from 'zod';

/** Why something happened, in etcd: a stable code and a sentence (G6). */
export const causeSchema = z.object({ code: z.string(), sentence: z.string() });
