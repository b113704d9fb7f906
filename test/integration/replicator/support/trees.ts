import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { timesOf } from '../../../../replicator/apply/times.ts';

/** Every path of a tree with its type, mode and content, of files and links with their time in microseconds: equal for equal trees. */
export function describeTree(root: string, below = ''): string[] {
  return readdirSync(join(root, below))
    .sort()
    .flatMap((name) => {
      const path = join(below, name);
      const full = join(root, path);
      const stats = lstatSync(full);
      const mode = (stats.mode & 0o7777).toString(8);
      const time = timesOf(lstatSync(full, { bigint: true })).modifiedAtUs;
      if (stats.isSymbolicLink()) return [`${path} -> ${readlinkSync(full)} ${time}`];
      if (stats.isDirectory()) return [`${path}/ ${mode}`, ...describeTree(root, path)];
      return [
        `${path} ${mode} ${stats.size} ${time} ${createHash('sha256').update(readFileSync(full)).digest('hex')}`,
      ];
    });
}
