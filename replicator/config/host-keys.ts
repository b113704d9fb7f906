import { createHash } from 'node:crypto';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import { hostKeyFolder, isPrivateKey } from '#contracts/config-root/names.ts';
import { makeFolderDurably, writeDurably } from '../state/durable-file.ts';
import { newKey } from '../state/new-key.ts';
import type { ConfigSnapshot } from './snapshot.ts';

/** An RSA key takes up to seconds to make; no client of today needs it. */
const generated = [
  { name: 'ssh_host_ed25519_key', type: 'ed25519' },
  { name: 'ssh_host_ecdsa_key', type: 'ecdsa' },
] as const;

/** Makes host keys where there are none at all: the first leader of a cluster does. */
export function ensureHostKeys(configRoot: string, snapshot: ConfigSnapshot): boolean {
  if (privateKeys(snapshot).length > 0) return false;
  makeFolderDurably(join(configRoot, hostKeyFolder), 0o700);
  for (const { name, type } of generated) {
    const { privateKey, publicKey } = newKey(type);
    writeDurably(join(configRoot, hostKeyFolder, `${name}.pub`), `${publicKey}\n`, 0o644);
    writeDurably(join(configRoot, hostKeyFolder, name), privateKey, 0o600);
  }
  return true;
}

/** As `ssh-keygen -l` prints them, without the other columns; sorted. */
export function hostKeyFingerprints(snapshot: ConfigSnapshot): string[] {
  return privateKeys(snapshot)
    .flatMap(({ content }) => {
      const key = ssh2.utils.parseKey(Buffer.from(content, 'base64'));
      return key instanceof Error ? [] : [fingerprintOf(key.getPublicSSH())];
    })
    .sort();
}

function fingerprintOf(publicKey: Buffer): string {
  return `SHA256:${createHash('sha256').update(publicKey).digest('base64').replace(/=+$/, '')}`;
}

function privateKeys({ files }: ConfigSnapshot) {
  return files.filter(({ path }) => isPrivateKey(path));
}
