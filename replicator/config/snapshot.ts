import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isNeeded, isPrivateKey } from '#contracts/config-root/names.ts';
import { HoldfastError, messageOf } from '#contracts/errors.ts';
import { errnoOf } from '../tree/tree.ts';

/** The config root as it is replicated: regular files only. */
export interface ConfigSnapshot {
  /** SHA-256 over sorted names, modes and contents, hex (G4). */
  readonly digest: string;
  /** Sorted by path; content in base64. */
  readonly files: ConfigFile[];
}

export interface ConfigFile {
  /** Relative, with `/`. */
  readonly path: string;
  readonly mode: number;
  readonly content: string;
}

/** A file as it lies in the config root of this host. */
export interface FoundFile extends ConfigFile {
  /** The mode on the disk: that of a private key is always told as 0600. */
  readonly foundMode: number;
}

export const maxConfigBytes = 8 * 1024 * 1024;
const maxConfigFiles = 1000;
const maxDepth = 8;
const namePattern = /^[A-Za-z0-9_][A-Za-z0-9._@+-]{0,200}$/;

/** Whether every part is a plain name: what a peer may make us write below the config root. */
export function isConfigPath(path: string): boolean {
  const parts = path.split('/');
  return parts.length <= maxDepth && parts.every((part) => namePattern.test(part));
}

/**
 * Reads the config root; an empty one when it is missing. Files whose names are not plain (editors' swap files,
 * our own staging, the last good versions) are left out.
 * @param onUnreadable told of each file that cannot be read, which is left out; without it the first one throws
 * @throws HoldfastError CONFIG_TOO_LARGE, CONFIG_UNREADABLE
 */
export function readConfig(
  configRoot: string,
  onUnreadable?: (path: string, problem: HoldfastError) => void,
): ConfigSnapshot & { readonly files: FoundFile[] } {
  const files: FoundFile[] = [];
  let bytes = 0;
  const readOrTell = (path: string) => {
    try {
      return readFound(configRoot, path);
    } catch (error) {
      if (onUnreadable === undefined || !isUnreadable(error)) throw error;
      onUnreadable(path, error);
      return null;
    }
  };
  const visit = (directory: string) => {
    for (const name of namesIn(join(configRoot, directory))) {
      const path = directory === '' ? name : `${directory}/${name}`;
      if (!isConfigPath(path)) continue;
      const found = readOrTell(path);
      if (found === 'directory') visit(path);
      if (typeof found === 'string' || found === null) continue;
      bytes += found.content.length;
      if (bytes > maxConfigBytes || files.length >= maxConfigFiles) {
        throw new HoldfastError(
          'CONFIG_TOO_LARGE',
          `${configRoot} holds more than ${maxConfigBytes} bytes or ${maxConfigFiles} files (at ${path})`,
        );
      }
      const { mode, foundMode } = found;
      files.push({ path, mode, foundMode, content: found.content.toString('base64') });
    }
  };
  visit('');
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  return { digest: digestOf(files), files };
}

/** Of these files as they are in force, whatever else is known of them. */
export function snapshotOf(files: readonly ConfigFile[]): ConfigSnapshot {
  const sorted = files
    .map(({ path, mode, content }) => ({ path, mode, content }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
  return { digest: digestOf(sorted), files: sorted };
}

export function digestOf(files: readonly ConfigFile[]): string {
  const hash = createHash('sha256');
  for (const { path, mode, content } of files) hash.update(`${JSON.stringify([path, mode, content])}\n`);
  return hash.digest('hex');
}

function readFound(
  configRoot: string,
  path: string,
): { mode: number; foundMode: number; content: Buffer } | 'directory' | 'other' | null {
  const full = join(configRoot, path);
  try {
    const stats = lstatSync(full);
    if (stats.isDirectory()) return 'directory';
    // The SFTP node would follow a link, and serve what no other host has.
    if (stats.isSymbolicLink() && isNeeded(path)) {
      const what = 'is a symbolic link, which other hosts do not get: put the file itself there';
      throw new HoldfastError('CONFIG_UNREADABLE', `${full} ${what}`);
    }
    if (!stats.isFile()) return 'other';
    if (stats.size > maxConfigBytes) {
      throw new HoldfastError('CONFIG_TOO_LARGE', `${full} has ${stats.size} bytes`);
    }
    const foundMode = stats.mode & 0o777;
    // The private half of a host key is 0600 on every host, whatever it was where it was made.
    const mode = isPrivateKey(path) ? 0o600 : foundMode;
    return { mode, foundMode, content: readFileSync(full) };
  } catch (cause) {
    if (cause instanceof HoldfastError) throw cause;
    // An editor replaced it between the listing and the reading: the next look sees what is there then.
    if (errnoOf(cause) === 'ENOENT') return null;
    throw new HoldfastError('CONFIG_UNREADABLE', `${full} cannot be read: ${messageOf(cause)}`, { cause });
  }
}

function isUnreadable(error: unknown): error is HoldfastError {
  return error instanceof HoldfastError && error.code === 'CONFIG_UNREADABLE';
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (cause) {
    if (errnoOf(cause) === 'ENOENT') return [];
    throw new HoldfastError('CONFIG_UNREADABLE', `${directory} cannot be read`, { cause });
  }
}
