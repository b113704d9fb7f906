import { closeSync, constants, mkdirSync, openSync } from 'node:fs';
import { codeOf } from '#contracts/errors.ts';
import type { Logger } from '#contracts/log.ts';
import type { Mutations } from './mutations.ts';
import { Jail } from './paths/jail.ts';
import { syncAndClose } from './sftp/context.ts';

const homeMode = 0o750;

/** Opens the home of a user, made at the first login; then it is on the standbys like any directory. */
export async function openJail(
  filesRoot: string,
  home: string,
  mutations: Mutations,
  signal: AbortSignal,
  audit: Logger,
): Promise<Jail> {
  try {
    return new Jail(filesRoot, home);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
  const parts = home.split('/');
  for (const [index, name] of parts.entries()) {
    await mutations.permission({ signal });
    const parent = parts.slice(0, index).join('/');
    if (await makeDirectory(filesRoot, parent, name, mutations))
      audit.info({ audit: 'mkdir', path: parts.slice(0, index + 1).join('/'), home: true }, 'mkdir');
  }
  return new Jail(filesRoot, home);
}

/** Makes one directory of the way; false when it is there. No link is followed: parts may lie in another user's home. */
async function makeDirectory(
  filesRoot: string,
  parent: string,
  name: string,
  mutations: Mutations,
): Promise<boolean> {
  const path = parent === '' ? name : `${parent}/${name}`;
  const fd = parent === '' ? openDirectory(filesRoot) : openInside(filesRoot, parent);
  let sequence: number;
  try {
    const operation = { kind: 'mkdir', path: Buffer.from(path), mode: homeMode } as const;
    const change = () => mkdirSync(`/proc/self/fd/${fd}/${name}`, { mode: homeMode });
    ({ sequence } = mutations.apply(operation, change, true));
  } catch (error) {
    closeSync(fd);
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
  await mutations.durable(sequence, () => syncAndClose([fd]));
  return true;
}

function openInside(filesRoot: string, directory: string): number {
  const jail = new Jail(filesRoot, directory);
  try {
    return jail.with(Buffer.from('.'), { follow: false }, (place) => openDirectory(place.at));
  } finally {
    jail.close();
  }
}

function openDirectory(path: string | Buffer): number {
  return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
}
