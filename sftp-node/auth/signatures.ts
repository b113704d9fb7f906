/** The signatures that clients may log in with. */
const signatures = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
];
const sha1Signatures = ['ssh-rsa', 'ssh-dss'];

/**
 * For the extension server-sig-algs (RFC 8308), which goes out before the client names a user. Clients take the first of
 * their own list that is in it, so those that know better do not fall back to SHA-1 because it is named for the others.
 */
export function signatureAlgorithms(takesSha1: boolean): string {
  return [...signatures, ...(takesSha1 ? sha1Signatures : [])].join(',');
}

/** Whether a signature of this key is made with SHA-1: of RSA keys when no other hash is named, of DSA keys always. */
export function signsWithSha1(keyType: string, hashAlgorithm: string | undefined): boolean {
  return hashAlgorithm === undefined && sha1Signatures.includes(keyType);
}
