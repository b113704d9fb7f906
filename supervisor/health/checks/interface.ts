import { readFile } from 'node:fs/promises';
import type { HealthFact } from '../../runtime/ports.ts';

/** Read from sysfs: the library's function for interfaces starts a shell for each. */
export async function interfaceFact(interfaceName: string): Promise<HealthFact> {
  const name = `interface ${interfaceName}`;
  const folder = `/sys/class/net/${interfaceName}`;
  try {
    const state = (await readFile(`${folder}/operstate`, 'utf8')).trim();
    // A dummy or bridge without ports says `unknown` and works; reading `carrier` of an interface that is down fails.
    const carrier = (await readFile(`${folder}/carrier`, 'utf8').catch(() => '0')).trim();
    if (carrier === '1') return { name, level: 'ok', code: '', detail: state };
    return { name, level: 'bad', code: 'LINK_DOWN', detail: `${interfaceName} has no carrier (${state})` };
  } catch {
    const detail = `there is no interface ${interfaceName} on this host`;
    return { name, level: 'bad', code: 'INTERFACE_MISSING', detail };
  }
}
