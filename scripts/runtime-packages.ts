/** Prints the npm packages that the bundles load at run time, and all that those need, as folders of node_modules. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { externalPackages } from './build.ts';

const modules = join(import.meta.dirname, '../node_modules');
const found = new Set<string>();

function add(name: string): void {
  const manifest = join(modules, name, 'package.json');
  // Optional packages for other platforms are not there.
  if (found.has(name) || !existsSync(manifest)) return;
  found.add(name);
  const { dependencies = {}, optionalDependencies = {} } = JSON.parse(readFileSync(manifest, 'utf8'));
  for (const dependency of Object.keys({ ...dependencies, ...optionalDependencies })) add(dependency);
}

for (const name of externalPackages) add(name);
process.stdout.write(
  [...found]
    .sort()
    .map((name) => `${name}\n`)
    .join(''),
);
