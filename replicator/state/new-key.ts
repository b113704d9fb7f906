import ssh2 from 'ssh2';

export interface NewKey {
  /** OpenSSH format. */
  readonly privateKey: string;
  /** OpenSSH one line. */
  readonly publicKey: string;
}

/**
 * A key that can be read back. The library writes about three of a thousand ed25519 keys in a form that neither it nor
 * OpenSSH reads (measured with ssh2 1.17.0), and such a host key would keep a host out of service.
 */
export function newKey(type: 'ed25519' | 'ecdsa', comment = ''): NewKey {
  while (true) {
    const pair =
      type === 'ed25519'
        ? ssh2.utils.generateKeyPairSync('ed25519', { comment })
        : ssh2.utils.generateKeyPairSync('ecdsa', { bits: 256, comment });
    const read = ssh2.utils.parseKey(pair.private);
    const published = ssh2.utils.parseKey(pair.public);
    if (read instanceof Error || published instanceof Error) continue;
    if (read.getPublicSSH().equals(published.getPublicSSH())) {
      return { privateKey: pair.private, publicKey: pair.public };
    }
  }
}
