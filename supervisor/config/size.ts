import * as z from 'zod';

const unitBytes = { MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 } as const;

/** `20GiB` as `{ bytes }`, `10%` of a file system as `{ share: 0.1 }`. */
export const sizeOrShareSchema = z
  .string()
  .regex(/^([1-9]\d{0,5}(MiB|GiB|TiB)|[1-9]\d?%|100%)$/, 'is not a size, as 20GiB or 10%')
  .transform((text): { bytes: number } | { share: number } => {
    const number = Number.parseInt(text, 10);
    if (text.endsWith('%')) return { share: number / 100 };
    return { bytes: number * unitBytes[text.replace(/^\d+/, '') as keyof typeof unitBytes] };
  });
