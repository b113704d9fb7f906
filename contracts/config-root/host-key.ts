import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import { HoldfastError, messageOf } from '../errors.ts';
import { lastGoodRoot } from './last-good.ts';
import { hostKeyFolder, isHostKey } from './names.ts';

/**
 * The host keys that there are, or were when the last good ones were kept: one that is gone does not stop being a host
 * key of the cluster. A folder that cannot be read has none; reading the keys themselves then tells why.
 */
export function hostKeyPaths(configRoot: string): string[] {
  const paths = [configRoot, lastGoodRoot(configRoot)].flatMap((root) =>
    namesIn(join(root, hostKeyFolder)).map((name) => `${hostKeyFolder}/${name}`),
  );
  return [...new Set(paths)].filter(isHostKey).sort();
}

/** @throws HoldfastError HOST_KEY_UNREADABLE, HOST_KEY_PERMISSIONS, HOST_KEY_INVALID */
export function readHostKey(file: string): Buffer {
  let content: Buffer;
  try {
    checkHostKeyMode(file, statSync(file).mode & 0o777);
    content = readFileSync(file);
  } catch (cause) {
    if (cause instanceof HoldfastError) throw cause;
    throw new HoldfastError('HOST_KEY_UNREADABLE', `${file} cannot be read: ${messageOf(cause)}`, { cause });
  }
  checkHostKey(file, content);
  return content;
}

/** @throws HoldfastError HOST_KEY_PERMISSIONS */
export function checkHostKeyMode(file: string, mode: number): void {
  if ((mode & 0o077) === 0) return;
  const shown = mode.toString(8).padStart(4, '0');
  throw new HoldfastError('HOST_KEY_PERMISSIONS', `${file} has mode ${shown}: others could read it`);
}

/** @throws HoldfastError HOST_KEY_INVALID */
export function checkHostKey(file: string, content: Buffer): void {
  const key = ssh2.utils.parseKey(content);
  if (key instanceof Error) {
    throw new HoldfastError('HOST_KEY_INVALID', `${file} is no private key: ${key.message}`);
  }
  if (!key.isPrivateKey()) throw new HoldfastError('HOST_KEY_INVALID', `${file} is no private key`);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
