import { afterFullPoll } from '#contracts/lateness.ts';
import type { Timers } from '../../runtime/ports.ts';

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
