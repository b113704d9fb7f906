import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/** Every path of a tree with its type, mode and content: equal for equal trees. */
export function describeTree(root: string, below = ''): string[] {
  return readdirSync(join(root, below))
    .sort()
    .flatMap((name) => {
      const path = join(below, name);
      const full = join(root, path);
      const stats = lstatSync(full);
      const mode = (stats.mode & 0o7777).toString(8);
      if (stats.isSymbolicLink()) return [`${path} -> ${readlinkSync(full)}`];
      if (stats.isDirectory()) return [`${path}/ ${mode}`, ...describeTree(root, path)];
      return [
        `${path} ${mode} ${stats.size} ${createHash('sha256').update(readFileSync(full)).digest('hex')}`,
      ];
    });
}
