import { mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { lastGoodRoot } from '#contracts/config-root/last-good.ts';
import { syncDirectory, writeDurably } from '../state/durable-file.ts';
import { type ConfigSnapshot, readConfig } from './snapshot.ts';

/**
 * Keeps a config that was found good, file by file, each durable before the next: every one of them is good by itself.
 * The folder is closed to others, and modes are those of the config root, since they are part of its digest (G4).
 */
export function keepLastGood(configRoot: string, { digest, files }: ConfigSnapshot): void {
  const root = lastGoodRoot(configRoot);
  mkdirSync(root, { recursive: true, mode: 0o700 });
  const kept = readConfig(root, () => {});
  if (kept.digest === digest) return;
  const before = new Map(kept.files.map((file) => [file.path, file]));
  for (const { path, mode, content } of files) {
    const old = before.get(path);
    before.delete(path);
    if (old?.content === content && old.mode === mode) continue;
    mkdirSync(dirname(join(root, path)), { recursive: true, mode: 0o700 });
    writeDurably(join(root, path), Buffer.from(content, 'base64'), mode);
  }
  for (const path of before.keys()) {
    rmSync(join(root, path), { force: true });
    syncDirectory(dirname(join(root, path)));
  }
  syncDirectory(root);
  syncDirectory(configRoot);
}
