/** Names in the config root that mean something, relative to it. Without packages: who only looks at files needs none. */
export const usersFile = 'users.yaml';
export const hostKeyFolder = 'host_keys';

const hostKeyName = /^ssh_host_\w+_key$/;

/** A private host key. */
export function isHostKey(path: string): boolean {
  const [folder, name, ...rest] = path.split('/');
  return folder === hostKeyFolder && name !== undefined && rest.length === 0 && hostKeyName.test(name);
}

/** The private half of a host key, or of what may become one. */
export function isPrivateKey(path: string): boolean {
  return isInHostKeys(path) && !path.endsWith('.pub');
}

export function isInHostKeys(path: string): boolean {
  return path.startsWith(`${hostKeyFolder}/`);
}

/** What clients know the cluster by, and who they are: no host serves without. */
export function isNeeded(path: string): boolean {
  return path === usersFile || isHostKey(path);
}
