import * as z from 'zod';

const unitBytes = { MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 } as const;

/** `20GiB`, in bytes. */
export const sizeSchema = z
  .string()
  .regex(/^[1-9]\d{0,5}(MiB|GiB|TiB)$/, 'is not a size, as 20GiB')
  .transform(bytesOf);

/** `20GiB` as `{ bytes }`, `10%` of a file system as `{ share: 0.1 }`. */
export const sizeOrShareSchema = z
  .string()
  .regex(/^([1-9]\d{0,5}(MiB|GiB|TiB)|[1-9]\d?%|100%)$/, 'is not a size, as 20GiB or 10%')
  .transform((text): { bytes: number } | { share: number } => {
    if (text.endsWith('%')) return { share: Number.parseInt(text, 10) / 100 };
    return { bytes: bytesOf(text) };
  });

function bytesOf(text: string): number {
  return Number.parseInt(text, 10) * unitBytes[text.replace(/^\d+/, '') as keyof typeof unitBytes];
}
