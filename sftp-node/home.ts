import { constants, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf } from '#contracts/errors.ts';
import type { Mutations } from './mutations.ts';
import { Jail } from './paths/jail.ts';
import { syncAndClose } from './sftp/context.ts';

const homeMode = 0o750;

/** Opens the home of a user, made at the first login; then it is on the standbys like any directory. */
export async function openJail(filesRoot: string, home: string, mutations: Mutations): Promise<Jail> {
  try {
    return new Jail(filesRoot, home);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
  await makeHome(filesRoot, home, mutations);
  return new Jail(filesRoot, home);
}

async function makeHome(filesRoot: string, home: string, mutations: Mutations): Promise<void> {
  await mutations.permission();
  const parts = home.split('/');
  for (const [index] of parts.entries()) {
    const path = parts.slice(0, index + 1).join('/');
    const sequence = makeOne(filesRoot, path, mutations);
    if (sequence === null) continue;
    const parent = openSync(join(filesRoot, path, '..'), constants.O_RDONLY | constants.O_DIRECTORY);
    await mutations.durable(sequence, () => syncAndClose([parent]));
  }
}

/** Null when it is there already. */
function makeOne(filesRoot: string, path: string, mutations: Mutations): number | null {
  try {
    const operation = { kind: 'mkdir', path: Buffer.from(path), mode: homeMode } as const;
    return mutations.apply(operation, () => mkdirSync(join(filesRoot, path), { mode: homeMode }), true)
      .sequence;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return null;
    throw error;
  }
}
