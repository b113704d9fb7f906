import { globSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeLeftovers } from '../test/lab/network.ts';

/** Whether a process with this number is there. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

if (process.argv[2] !== 'clean') {
  process.stderr.write('usage: scripts/lab clean\n');
  process.exit(2);
}
const removed = await removeLeftovers(isAlive);
for (const name of removed) process.stdout.write(`removed ${name}\n`);
// Folders of labs that are older than any run lasts.
const dayMs = 24 * 3600 * 1000;
for (const folder of globSync(join(tmpdir(), 'holdfast-lab-*'))) {
  if (Date.now() - statSync(folder).mtimeMs > dayMs) rmSync(folder, { recursive: true, force: true });
}
