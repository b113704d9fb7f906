import { chmodSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { isInHostKeys, isPrivateKey, usersFile } from '#contracts/config-root/names.ts';
import { HoldfastError } from '#contracts/errors.ts';
import { makeFolderDurably, syncDirectory, writeDurably } from '../state/durable-file.ts';
import {
  type ConfigFile,
  type ConfigSnapshot,
  digestOf,
  isConfigPath,
  maxConfigBytes,
  readConfig,
} from './snapshot.ts';

/**
 * Makes the config root equal to the leader's: each changed file staged, fsynced and renamed, extra ones removed,
 * but for users and host keys. Host keys that are replaced are kept in `keepIn`.
 * @returns the paths that were moved there
 * @throws HoldfastError PEER_PROTOCOL when the snapshot is not what a leader sends; errors of the file system
 */
export function applyConfig(configRoot: string, snapshot: ConfigSnapshot, keepIn: string): string[] {
  checkSnapshot(snapshot);
  const before = new Map(readConfig(configRoot, () => {}).files.map((file) => [file.path, file]));
  const kept: string[] = [];
  const keep = (path: string) => {
    if (!isInHostKeys(path)) return;
    makeFolderDurably(keepIn, 0o700);
    writeDurably(join(keepIn, basename(path)), readFileSync(join(configRoot, path)), 0o600);
    kept.push(path);
  };
  makeFolderDurably(configRoot, 0o700);
  for (const file of snapshot.files) {
    const old = before.get(file.path);
    before.delete(file.path);
    if (old?.content === file.content && old.mode === file.mode) {
      chmodSync(join(configRoot, file.path), file.mode);
      continue;
    }
    if (old !== undefined && old.content !== file.content) keep(file.path);
    place(configRoot, file.path, file.mode, Buffer.from(file.content, 'base64'), keepIn);
  }
  for (const path of before.keys()) {
    if (isNeverRemoved(path)) continue;
    keep(path);
    rmSync(join(configRoot, path), { force: true });
    syncDirectory(dirname(join(configRoot, path)));
  }
  return kept;
}

/** A leader may have lost them: who wants no users any more writes an empty list, and host keys are replaced. */
function isNeverRemoved(path: string): boolean {
  return path === usersFile || isInHostKeys(path);
}

/** What is here, is not on the leader, and stays all the same. */
export function keptOf(here: { readonly files: readonly ConfigFile[] }, leader: ConfigSnapshot): string[] {
  const there = new Set(leader.files.map(({ path }) => path));
  return here.files.map(({ path }) => path).filter((path) => isNeverRemoved(path) && !there.has(path));
}

/** The digest of what is here without what the leader lacks: the leader's own, once its configuration is in force. */
export function appliedDigest(here: ConfigSnapshot, leader: ConfigSnapshot): string {
  const kept = new Set(keptOf(here, leader));
  return kept.size === 0 ? here.digest : digestOf(here.files.filter(({ path }) => !kept.has(path)));
}

function place(configRoot: string, path: string, mode: number, content: Buffer, keepIn: string): void {
  const full = join(configRoot, path);
  makeFolderDurably(dirname(full), 0o700);
  try {
    writeDurably(full, content, mode);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EISDIR') throw error;
    // A directory of that name exists here alone.
    makeFolderDurably(keepIn, 0o700);
    renameSync(full, join(keepIn, basename(path)));
    syncDirectory(keepIn);
    writeDurably(full, content, mode);
  }
}

/** Checked when it arrives: it is written with this host's rights. */
function checkSnapshot({ digest, files }: ConfigSnapshot): void {
  const refuse = (what: string) => new HoldfastError('PEER_PROTOCOL', `the leader's configuration ${what}`);
  let bytes = 0;
  for (const { path, mode, content } of files) {
    if (!isConfigPath(path)) throw refuse(`has the name ${JSON.stringify(path)}`);
    if (isPrivateKey(path) && mode !== 0o600) throw refuse(`opens the private key ${path} to others`);
    bytes += content.length;
  }
  if (bytes > maxConfigBytes * 1.4) throw refuse('is too large');
  if (digestOf(files) !== digest) throw refuse('does not fit its digest');
}
