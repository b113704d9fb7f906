/**
 * OpenSSH takes the target of SYMLINK first and the link second, the reverse of the draft, and most clients send it so to
 * everybody. These look at the server's identification, and send the draft's order to any that is not OpenSSH's, as ours
 * is not: docs/decisions/2026-11-26-symlink-order-by-client.md.
 */
const followTheDraft: readonly RegExp[] = [
  /^AsyncSSH_/,
  /^WinSCP[-_]/,
  /^phpseclib_/,
  // Not libssh2, which has the target first for everybody.
  /^libssh[-_]/,
  // ssh2 for Node.
  /^ssh2js/,
];

/** @param identification the client's line, `SSH-2.0-...` */
export function sendsLinkFirst(identification: string): boolean {
  const software = identification.replace(/^SSH-[^-]*-/, '');
  return followTheDraft.some((pattern) => pattern.test(software));
}
