import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import { HoldfastError } from '#contracts/errors.ts';
import { writeDurably } from './durable-file.ts';
import { newKey } from './new-key.ts';

/** The key by which peers know this host. */
export interface PeerKey {
  /** OpenSSH format. */
  readonly privateKey: string;
  /** OpenSSH one line. */
  readonly publicKey: string;
}

/**
 * Reads `stateRoot/peer_key`, making it at the first start.
 * @throws HoldfastError HOST_KEY_UNREADABLE, HOST_KEY_INVALID
 */
export function loadPeerKey(stateRoot: string, nodeId: string): PeerKey {
  const path = join(stateRoot, 'peer_key');
  let privateKey: string;
  try {
    privateKey = readFileSync(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') {
      throw new HoldfastError('HOST_KEY_UNREADABLE', `the peer key ${path} cannot be read`, { cause });
    }
    privateKey = newKey('ed25519', `holdfast-peer ${nodeId}`).privateKey;
    writeDurably(path, privateKey, 0o600);
  }
  const key = ssh2.utils.parseKey(privateKey);
  if (key instanceof Error || key.type !== 'ssh-ed25519' || !key.isPrivateKey()) {
    throw new HoldfastError('HOST_KEY_INVALID', `the peer key ${path} is not a private Ed25519 key`);
  }
  return { privateKey, publicKey: publicKeyLine(key) };
}

function publicKeyLine(key: ssh2.ParsedKey): string {
  return `${key.type} ${key.getPublicSSH().toString('base64')} ${key.comment}`.trim();
}
