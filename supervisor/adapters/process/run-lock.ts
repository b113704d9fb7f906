import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { execa } from 'execa';
import { HoldfastError, messageOf } from '#contracts/errors.ts';
import { commandPath } from './command.ts';
import { identityOf } from './identity.ts';
import { holderOf, lockFile, supervisorRunning } from './run-holder.ts';

/** How flock says that somebody else has the lock. */
const isTakenExit = 75;

/**
 * Takes the run folder for the life of this process: two supervisors would take each other's sockets and addresses away.
 *
 * The lock is flock(2) on a file that this process holds open. flock(1) sets it, on the descriptor that it inherits, and
 * ends; the lock belongs to the open file, so that the kernel frees it when this process is gone, however it goes
 * (later, while a disk holds one of its threads: run-holder.ts). Children do not get the descriptor (Node opens files
 * close-on-exec). Weighed and left: a socket in the run folder stays behind after SIGKILL, and removing it is a race;
 * one with an abstract name goes by itself, but any user of the host may take the name first; a flock(1) that stays as
 * a child can be killed by itself.
 * @throws HoldfastError SUPERVISOR_RUNNING, ROOT_UNUSABLE
 */
export async function takeRunFolder(runFolder: string): Promise<void> {
  const file = openLock(lockFile(runFolder));
  const result = await execa(
    commandPath('flock'),
    ['--exclusive', '--nonblock', '--conflict-exit-code', String(isTakenExit), '0'],
    // The type knows the numbers up to 9 alone.
    { stdin: file as 9, stdout: 'ignore', reject: false, timeout: 5000 },
  );
  if (result.exitCode === 0) {
    const text = JSON.stringify(identityOf(process.pid));
    ftruncateSync(file);
    writeSync(file, text, 0);
    return;
  }
  closeSync(file);
  if (result.exitCode === isTakenExit) throw supervisorRunning(runFolder, holderOf(runFolder));
  const why = String(result.stderr).trim() || result.originalMessage;
  throw new HoldfastError('ROOT_UNUSABLE', `${runFolder} cannot be locked: ${why}`);
}

function openLock(path: string): number {
  try {
    return openSync(path, 'a+', 0o600);
  } catch (cause) {
    throw new HoldfastError('ROOT_UNUSABLE', `${path} cannot be opened: ${messageOf(cause)}`, { cause });
  }
}
