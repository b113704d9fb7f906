import { bootTimeMs } from '#contracts/boot-time.ts';
import { afterFullPoll } from '#contracts/lateness.ts';
import type { Clock, Timers } from '../../runtime/ports.ts';

export const systemClock: Clock = {
  bootTimeMs,
  wallTimeIso: () => new Date().toISOString(),
};

export const systemTimers: Timers = {
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  every(ms, run) {
    const timer = setInterval(run, ms);
    return () => clearInterval(timer);
  },
  afterFullPoll: (run) => void afterFullPoll(run),
};
