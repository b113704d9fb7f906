import { readFileSync, realpathSync } from 'node:fs';
import { execa } from 'execa';

/**
 * Has the file system of a folder on the disk, whoever wrote to it: syncfs, for which Node has no call.
 * @returns false when not all below the folder is on that file system, or it is not known to be on the disk: then only a
 *   flush of each file tells
 */
export async function syncFileSystem(folder: string): Promise<boolean> {
  try {
    if (hasMountsBelow(realpathSync(folder), readFileSync('/proc/self/mountinfo', 'latin1'))) return false;
    const { exitCode } = await execa('sync', ['--file-system', folder], { reject: false, stdio: 'ignore' });
    return exitCode === 0;
  } catch {
    return false;
  }
}

/** @param mounts as /proc/self/mountinfo has it: the fifth word of a line is where it is, blanks in octal */
export function hasMountsBelow(folder: string, mounts: string): boolean {
  const above = Buffer.from(folder).toString('latin1');
  return mounts.split('\n').some((line) => {
    const [, , , , place = ''] = line.split(' ');
    const path = place.replace(/\\(\d{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    return path.startsWith(`${above}/`);
  });
}
