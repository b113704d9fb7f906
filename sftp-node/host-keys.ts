import { join } from 'node:path';
import { hostKeyPaths, readHostKey } from '#contracts/config-root/host-key.ts';
import { readInForce, sentenceOf } from '#contracts/config-root/last-good.ts';
import { hostKeyFolder } from '#contracts/config-root/names.ts';
import { HoldfastError } from '#contracts/errors.ts';
import type { Logger } from '#contracts/log.ts';

/** Best first: what a client without preferences gets. */
const order = ['ed25519', 'ecdsa', 'rsa'];

/**
 * The private keys `host_keys/ssh_host_*_key` of the config root, the same on every host (G4). In the place of one
 * that is no good or gone stands its last good version, since clients know the cluster by it; one that never was good
 * is left out, as long as there is another.
 * @throws HoldfastError HOST_KEY_UNREADABLE, HOST_KEY_PERMISSIONS, HOST_KEY_INVALID when there is none to use
 */
export function readHostKeys(configRoot: string, log: Logger): Buffer[] {
  const found = hostKeyPaths(configRoot)
    .sort((a, b) => rank(a) - rank(b))
    .map((path) => readInForce(configRoot, path, readHostKey));
  const keys = found.flatMap(({ value }) => (value === null ? [] : [value]));
  for (const { value, problem } of found) {
    if (problem !== null) log.error({ code: problem.code }, sentenceOf(problem, value !== null));
  }
  if (keys.length > 0) return keys;
  const folder = join(configRoot, hostKeyFolder);
  throw (
    found[0]?.problem ??
    new HoldfastError('HOST_KEY_UNREADABLE', `there is no host key ssh_host_*_key in ${folder}`)
  );
}

function rank(path: string): number {
  const index = order.findIndex((type) => path.includes(type));
  return index < 0 ? order.length : index;
}
