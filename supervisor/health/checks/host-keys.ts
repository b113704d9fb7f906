import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { hostKeyFolder, isHostKey } from '#contracts/config-root/names.ts';
import { codeOf, messageOf } from '#contracts/errors.ts';
import type { HealthFact } from '../../runtime/ports.ts';

const name = 'host keys';
const maxKeyBytes = 64 * 1024;

/**
 * Whether an SFTP node could show the host keys that lie here: a promotion fails at what it cannot. A host that has none
 * is of a new cluster: whoever leads first makes them.
 */
export async function hostKeysFact(configRoot: string): Promise<HealthFact> {
  const bad = (code: string, detail: string): HealthFact => ({ name, level: 'bad', code, detail });
  const folder = join(configRoot, hostKeyFolder);
  let keys: string[];
  try {
    keys = (await readdir(folder)).filter((file) => isHostKey(`${hostKeyFolder}/${file}`));
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return { name, level: 'ok', code: '', detail: 'none yet' };
    return bad('HOST_KEY_UNREADABLE', `${folder} cannot be read: ${messageOf(error)}`);
  }
  for (const path of keys.map((key) => join(folder, key))) {
    const problem = await problemOf(path);
    if (problem !== null) return bad(...problem);
  }
  return {
    name,
    level: 'ok',
    code: '',
    detail: keys.length === 0 ? 'none yet' : `${keys.length} can be used`,
  };
}

async function problemOf(path: string): Promise<[code: string, detail: string] | null> {
  try {
    const { mode, size } = await stat(path);
    if ((mode & 0o077) !== 0) {
      const shown = (mode & 0o777).toString(8).padStart(4, '0');
      return ['HOST_KEY_PERMISSIONS', `${path} has mode ${shown}: others could read it`];
    }
    const text = size > maxKeyBytes ? '' : await readFile(path, 'latin1');
    if (/^-----BEGIN [A-Z ]*PRIVATE KEY-----\r?\n/.test(text)) return null;
    return ['HOST_KEY_INVALID', `${path} is no private key`];
  } catch (error) {
    return ['HOST_KEY_UNREADABLE', `${path} cannot be read: ${messageOf(error)}`];
  }
}
