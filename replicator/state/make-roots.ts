import { mkdirSync } from 'node:fs';
import { HoldfastError } from '#contracts/errors.ts';
import type { ReplicatorSettings } from '#contracts/ipc/replicator.ts';

/** @throws HoldfastError ROOT_UNUSABLE */
export function makeRoots({ filesRoot, configRoot, stateRoot, quarantineRoot }: ReplicatorSettings): void {
  const roots = [
    [filesRoot, 0o750],
    [configRoot, 0o700],
    [stateRoot, 0o700],
    [quarantineRoot, 0o700],
  ] as const;
  for (const [root, mode] of roots) {
    try {
      mkdirSync(root, { recursive: true, mode });
    } catch (cause) {
      throw new HoldfastError('ROOT_UNUSABLE', `${root} cannot be made`, { cause });
    }
  }
}
