import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import { HoldfastError, messageOf } from '#contracts/errors.ts';

/** Best first: what a client without preferences gets. */
const order = ['ed25519', 'ecdsa', 'rsa'];

/**
 * The private keys `host_keys/ssh_host_*_key` of the config root, the same on every host (G4).
 * @throws HoldfastError HOST_KEY_UNREADABLE, HOST_KEY_PERMISSIONS, HOST_KEY_INVALID
 */
export function readHostKeys(configRoot: string): Buffer[] {
  const folder = join(configRoot, 'host_keys');
  const names = namesIn(folder).sort((a, b) => rank(a) - rank(b));
  if (names.length === 0) {
    throw new HoldfastError('HOST_KEY_UNREADABLE', `there is no host key ssh_host_*_key in ${folder}`);
  }
  return names.map((name) => readHostKey(join(folder, name)));
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => /^ssh_host_\w+_key$/.test(name));
  } catch (cause) {
    throw new HoldfastError('HOST_KEY_UNREADABLE', `${folder} cannot be read: ${messageOf(cause)}`, {
      cause,
    });
  }
}

function rank(name: string): number {
  const index = order.findIndex((type) => name.includes(type));
  return index < 0 ? order.length : index;
}

function readHostKey(path: string): Buffer {
  let key: Buffer;
  try {
    const mode = statSync(path).mode & 0o777;
    if ((mode & 0o077) !== 0) {
      const shown = mode.toString(8).padStart(4, '0');
      throw new HoldfastError('HOST_KEY_PERMISSIONS', `${path} has mode ${shown}: others could read it`);
    }
    key = readFileSync(path);
  } catch (cause) {
    if (cause instanceof HoldfastError) throw cause;
    throw new HoldfastError('HOST_KEY_UNREADABLE', `${path} cannot be read: ${messageOf(cause)}`, { cause });
  }
  const parsed = ssh2.utils.parseKey(key);
  if (parsed instanceof Error) {
    throw new HoldfastError('HOST_KEY_INVALID', `${path} is no private key: ${parsed.message}`);
  }
  return key;
}
