import { bootTimeMs } from '#contracts/boot-time.ts';
import type { Clock } from '../../runtime/ports.ts';

export const systemClock: Clock = {
  bootTimeMs,
  wallTimeIso: () => new Date().toISOString(),
};
