import * as z from 'zod';

const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `500ms`, `3s`, `2m`, `1h`, `90d` as milliseconds. */
export const durationSchema = z
  .string()
  .regex(/^\d{1,9}(ms|s|m|h|d)$/, 'is not a duration')
  .transform((text) => {
    const unit = text.replace(/^\d+/, '') as keyof typeof unitMs;
    return Number.parseInt(text, 10) * unitMs[unit];
  });
