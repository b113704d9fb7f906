import { readFileSync } from 'node:fs';
import type { ProcessIdentity } from '../../runtime/ports.ts';
import { endProcesses, identityOf } from '../process/identity.ts';

/** The processes of this process's control group (version 2) but for itself. None where there are no such groups. */
function othersInGroup(): ProcessIdentity[] {
  try {
    const group = /^0::(\/.+)$/m.exec(readFileSync('/proc/self/cgroup', 'latin1'))?.[1];
    if (group === undefined) return [];
    return readFileSync(`/sys/fs/cgroup${group}/cgroup.procs`, 'latin1')
      .split('\n')
      .map(Number)
      .filter((pid) => pid > 0 && pid !== process.pid)
      .flatMap((pid) => identityOf(pid) ?? []);
  } catch {
    return [];
  }
}

/**
 * Kills all other processes of this control group, and waits until they are gone. Only for a process that systemd runs
 * to clean up after a service (ExecStopPost).
 * @returns the processes that were there; those that are still running after a second are left
 */
export async function emptyControlGroup(): Promise<readonly ProcessIdentity[]> {
  const others = othersInGroup();
  await endProcesses(others);
  return others;
}
