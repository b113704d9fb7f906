import { spawn } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { execa } from 'execa';
import { ControlGroup } from './control-group.ts';
import { removeLeftovers as removeNamespaces } from './network.ts';
import { waitFor } from './wait.ts';

const project = join(import.meta.dirname, '../..');
const folders = new Set<string>();

/** Makes the folder of a lab. It carries the pid of this process, as namespaces and control groups of labs do. */
export function makeLabFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), `holdfast-lab-${process.pid}-`));
  if (folders.size === 0) process.on('exit', cleanUpAfterwards);
  folders.add(folder);
  return folder;
}

/** The last step of taking a lab down. */
export function removeLabFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  folders.delete(folder);
  if (folders.size === 0) process.off('exit', cleanUpAfterwards);
}

/** The test runner, when it is interrupted, ends this process before a lab is down: another one does the rest. */
function cleanUpAfterwards(): void {
  spawn(
    'sh',
    ['-c', 'while kill -0 "$0" 2>/dev/null; do sleep 0.1; done; scripts/lab clean', `${process.pid}`],
    {
      cwd: project,
      detached: true,
      stdio: 'ignore',
    },
  ).unref();
}

/**
 * Removes what labs left whose process is gone: namespaces with all processes in them, control groups, mounts, folders.
 * @returns their names
 */
export async function removeLeftovers(): Promise<string[]> {
  const removed = await removeNamespaces(isAlive);
  for (const name of ControlGroup.names().filter((group) => isLeft(group, /^hf-(\d+)-/))) {
    await waitFor(`the processes of ${name} to end`, () => new ControlGroup(name).remove() ?? true);
    removed.push(name);
  }
  for (const folder of globSync(join(tmpdir(), 'holdfast-lab-*'))) {
    if (!isLeft(basename(folder), /^holdfast-lab-(\d+)-/)) continue;
    for (const mounted of mountsBelow(folder).reverse()) {
      await execa('fsfreeze', ['--unfreeze', mounted], { reject: false });
      await execa('umount', ['--lazy', mounted]);
    }
    rmSync(folder, { recursive: true, force: true });
    removed.push(folder);
  }
  return removed;
}

function isLeft(name: string, pattern: RegExp): boolean {
  const pid = pattern.exec(name)?.[1];
  return pid !== undefined && !isAlive(Number(pid));
}

/** Whether a process with this number runs. One that ended may stay listed: not every container's first process reaps. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** In the order in which they were mounted. */
export function mountsBelow(folder: string): string[] {
  return readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((path) => path.startsWith(`${folder}/`));
}
