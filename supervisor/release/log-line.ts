import { writeSync } from 'node:fs';
import { systemClock } from '../adapters/kernel/system-clock.ts';

/** A line as the loggers of the other processes write it, without the 20 ms that loading theirs takes. */
export function logLine(level: 'info', fields: Readonly<Record<string, unknown>>, message: string): void {
  const line = {
    level,
    time: systemClock.wallTimeIso(),
    process: 'release',
    pid: process.pid,
    ...fields,
    msg: message,
  };
  writeSync(1, `${JSON.stringify(line)}\n`);
}
