import { closeSync, futimesSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { execa } from 'execa';

const filesOfFolder = 1000;
const fileBytes = 100;
/** Whole seconds, so that a copy has the same time wherever it is kept. */
const modified = 1_700_000_000;

/** Where the file of this number lies in a tree. */
export function nameOf(number: number): string {
  return `folder-${Math.floor(number / filesOfFolder)}/file-${number % filesOfFolder}`;
}

/** Makes a tree of small files, each with content of its own, in folders of a thousand; and the same tree elsewhere. */
export async function makeTrees(files: number, first: string, second: string): Promise<void> {
  for (let number = 0; number < files; number++) {
    const path = join(first, nameOf(number));
    if (number % filesOfFolder === 0) mkdirSync(dirname(path), { recursive: true });
    const fd = openSync(path, 'wx', 0o644);
    writeSync(fd, `${number} `.padEnd(fileBytes, 'x'));
    futimesSync(fd, modified, modified);
    closeSync(fd);
  }
  mkdirSync(dirname(second), { recursive: true });
  await execa('cp', ['-a', first, second]);
  await execa('sync');
}
