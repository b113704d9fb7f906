import { constants, type Stats } from 'node:fs';
import { access, realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codeOf, messageOf } from '#contracts/errors.ts';

export interface FileProblem {
  readonly what: string;
  /** What to do about it. */
  readonly instead: string;
}

const writableByOthers = 0o022;

/**
 * Why an executable of the sysadmin's cannot, or must not, be run by the supervisor; null when it may. Whoever can
 * write to it, or put another file in its place, would have the supervisor's power over the network.
 */
export async function commandFileProblem(file: string): Promise<FileProblem | null> {
  try {
    const target = await realpath(file);
    const about = await stat(target);
    if (!about.isFile()) return { what: 'is not a regular file', instead: 'name an executable file' };
    if ((about.mode & 0o111) === 0 || !(await isExecutable(target))) {
      return { what: 'may not be executed', instead: `run chmod 0755 ${file}` };
    }
    if (isWritableByOthers(about)) {
      return { what: 'is writable by others than its owner', instead: `run chmod go-w ${file}` };
    }
    for (const folder of new Set([dirname(file), dirname(target)])) {
      if (!isWritableByOthers(await stat(folder))) continue;
      const what = `is in ${folder}, which is writable by others than its owner`;
      return { what, instead: `run chmod go-w ${folder}, or put the file elsewhere` };
    }
    return null;
  } catch (error) {
    return codeOf(error) === 'ENOENT'
      ? { what: 'does not exist', instead: 'put an executable file there, on every host' }
      : {
          what: `cannot be looked at: ${messageOf(error)}`,
          instead: 'let the holdfast user read its folder',
        };
  }
}

function isWritableByOthers({ mode }: Stats): boolean {
  return (mode & writableByOthers) !== 0;
}

function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}
