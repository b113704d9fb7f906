import type { Algorithms } from 'ssh2';

/** Both ends are ours: the ciphers that processors do in hardware, authenticated, and no compression. */
export const peerAlgorithms: Algorithms = {
  cipher: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com'],
  compress: ['none'],
};
