/**
 * The process that looks at disks for the supervisor, which a disk that stands still must not hold up: neither its loop,
 * nor one of the few threads that all of a process shares, nor its end. Reads what to look at from standard input, one
 * line of JSON, and writes what it found as lines of JSON; goes when its input ends, as it does with the supervisor.
 */
import { createInterface } from 'node:readline';
import { systemClock } from '../adapters/kernel/system-clock.ts';
import { CheckLoop } from './check-loop.ts';
import { type FileCheckPlan, fileChecks } from './file-checks.ts';

const tellEveryMs = 1000;

// A thread that a disk holds would keep an orderly exit waiting.
const leave = () => process.kill(process.pid, 'SIGKILL');

let started = false;
const input = createInterface({ input: process.stdin });
input.on('line', (line) => {
  if (!started) start(JSON.parse(line));
  started = true;
});
input.on('close', leave);
process.stdout.on('error', leave);
// The supervisor decides when this process ends; a signal to the whole group reaches it as well.
process.on('SIGTERM', () => {});
process.on('SIGINT', () => {});

function start(plan: FileCheckPlan): void {
  const checks = fileChecks(plan, () => Date.parse(systemClock.wallTimeIso()));
  const { signal } = new AbortController();
  let isTold = true;
  const loops = checks.map((check) => new CheckLoop(check, tellSoon));
  for (const loop of loops) void loop.run(signal);
  setInterval(tell, tellEveryMs);

  function tellSoon(): void {
    if (isTold) setImmediate(tell);
    isTold = false;
  }
  function tell(): void {
    isTold = true;
    process.stdout.write(`${JSON.stringify(loops.flatMap(({ facts }) => facts))}\n`);
  }
}
