import { closeSync, openSync } from 'node:fs';
import { execa } from 'execa';

export type LabProcess = ReturnType<typeof spawnTo>;

/**
 * Starts a program whose output goes straight to the end of a file, and what it says on standard error too, or else to
 * that of this process. Not by way of this process: a test that is busy would hold up who writes.
 */
export function spawnTo(
  output: string,
  [file, ...args]: readonly [string, ...string[]],
  options: { readonly env?: Readonly<Record<string, string>> | undefined; readonly stderr?: 'inherit' } = {},
) {
  // Any number is taken; execa's types know a few.
  const descriptor = openSync(output, 'a') as 3;
  const child = execa(file, args, {
    env: options.env ?? {},
    reject: false,
    stdin: 'ignore',
    stdout: descriptor,
    stderr: options.stderr ?? descriptor,
    buffer: false,
    cleanup: true,
    forceKillAfterDelay: false,
  });
  closeSync(descriptor);
  return child;
}
