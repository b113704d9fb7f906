import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { ProcessIdentity } from '../../runtime/ports.ts';

/** The bit of signal 9 in the masks of /proc. */
const sigkill = 1n << 8n;

/** Field 22 of /proc/PID/stat: when the process started, in clock ticks since boot. Null when there is none. */
function startTicksOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name in parentheses may hold spaces and parentheses itself.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A zombie does nothing any more; it only waits for its parent.
    return fields[0] === 'Z' ? null : (fields[19] ?? null);
  } catch {
    return null;
  }
}

/** A process by its number and start, since numbers are used again. Null when it is gone already. */
export function identityOf(pid: number): ProcessIdentity | null {
  const startTicks = startTicksOf(pid);
  return startTicks === null ? null : { pid, startTicks };
}

export function isRunning({ pid, startTicks }: ProcessIdentity): boolean {
  return startTicksOf(pid) === startTicks;
}

/**
 * Whether it may still do something. One that SIGKILL waits for does not: a disk that stands still holds it in the
 * kernel, and it ends before it runs another instruction of its own.
 */
export function isAlive(identity: ProcessIdentity): boolean {
  return isRunning(identity) && !isBeingKilled(identity.pid);
}

function isBeingKilled(pid: number): boolean {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    const pending = [...status.matchAll(/^(?:SigPnd|ShdPnd):\s*([0-9a-f]+)$/gm)];
    return pending.some(([, mask]) => (BigInt(`0x${mask}`) & sigkill) !== 0n);
  } catch {
    return true;
  }
}

/** Kills them and waits until they are gone, for a second at most. @returns those that still run */
export async function endProcesses(processes: readonly ProcessIdentity[]): Promise<ProcessIdentity[]> {
  for (const one of processes) killProcess(one);
  for (let waitedMs = 0; waitedMs < 1000 && processes.some(isRunning); waitedMs += 1) await delay(1);
  return processes.filter(isRunning);
}

function killProcess(identity: ProcessIdentity): void {
  if (!isRunning(identity)) return;
  try {
    process.kill(identity.pid, 'SIGKILL');
  } catch {
    // It went by itself in between.
  }
}
