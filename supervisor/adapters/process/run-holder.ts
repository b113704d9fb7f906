import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { HoldfastError } from '#contracts/errors.ts';
import type { ProcessIdentity } from '../../runtime/ports.ts';
import { isAlive } from './identity.ts';

/** Of the run folder: held locked by the process that it names. */
export function lockFile(runFolder: string): string {
  return join(runFolder, 'supervisor.lock');
}

/** Who took the run folder last; null when nobody did, or it cannot be read. */
export function holderOf(runFolder: string): ProcessIdentity | null {
  try {
    const { pid, startTicks } = JSON.parse(readFileSync(lockFile(runFolder), 'utf8'));
    const isIdentity = Number.isInteger(pid) && pid > 0 && typeof startTicks === 'string';
    return isIdentity ? { pid, startTicks } : null;
  } catch {
    return null;
  }
}

/**
 * By who it is and not by the lock: the kernel keeps that for as long as a disk that stands still holds one thread of a
 * process that is dead otherwise, and what it left has to be cleaned up meanwhile. Loads no package, for `release.js`.
 * @throws HoldfastError SUPERVISOR_RUNNING
 */
export function refuseWhileSupervisorLives(runFolder: string): void {
  const holder = holderOf(runFolder);
  if (holder === null || holder.pid === process.pid || !isAlive(holder)) return;
  throw supervisorRunning(runFolder, holder);
}

export function supervisorRunning(runFolder: string, holder: ProcessIdentity | null): HoldfastError {
  const who = holder === null ? 'another process' : `process ${holder.pid}`;
  return new HoldfastError('SUPERVISOR_RUNNING', `${who} has the run folder ${runFolder} of this host`);
}
