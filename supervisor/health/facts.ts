import { constants } from 'node:fs';
import { access, readFile, statfs } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import { mem } from 'systeminformation';
import { commandFileProblem } from '../config/command-file.ts';
import { type Config, commandVipsOf, kernelVipsOf } from '../config/schema.ts';
import type { HealthFact, Watchdog } from '../runtime/ports.ts';
import { quarantineFact } from './checks/quarantine.ts';

/** Looks at this host. Never rejects: what cannot be looked at is a fact as well. */
export async function gatherHealth(config: Config, watchdog: Watchdog | null): Promise<HealthFact[]> {
  const roots = Object.entries({
    config: config.paths.config,
    data: config.paths.data,
    state: config.paths.state,
  });
  const interfaces = [...new Set(kernelVipsOf(config).map((vip) => vip.interface))];
  const commands = [...new Set(commandVipsOf(config).map((vip) => vip.command))];
  return Promise.all([
    ...roots.map(([name, path]) => rootFact(`${name} root`, path, config.health.minFreeMiB)),
    ...interfaces.map((name) => interfaceFact(name)),
    ...commands.map((file) => commandFact(file)),
    ...(watchdog === null ? [] : [watchdogFact(watchdog, config.watchdog.mode === 'required')]),
    quarantineFact(config),
    memoryFact(),
    loadFact(),
  ]);
}

async function rootFact(name: string, path: string, minFreeMiB: number): Promise<HealthFact> {
  try {
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
    const { bavail, bsize, ffree, files } = await statfs(path);
    const freeMiB = Math.floor((bavail * bsize) / 2 ** 20);
    if (freeMiB < minFreeMiB) {
      return {
        name,
        level: 'bad',
        code: 'DISK_LOW',
        detail: `${path} has ${freeMiB} MiB free of the ${minFreeMiB} needed`,
      };
    }
    // Some file systems make inodes as needed and report none.
    if (files > 0 && ffree < 100)
      return { name, level: 'bad', code: 'DISK_LOW', detail: `${path} has ${ffree} inodes free` };
    return { name, level: 'ok', code: '', detail: `${freeMiB} MiB free` };
  } catch (error) {
    return { name, level: 'bad', code: 'ROOT_UNUSABLE', detail: `${path} cannot be used: ${String(error)}` };
  }
}

/** Read from sysfs: the library's function for interfaces starts a shell for each. */
async function interfaceFact(interfaceName: string): Promise<HealthFact> {
  const name = `interface ${interfaceName}`;
  const folder = `/sys/class/net/${interfaceName}`;
  try {
    const state = (await readFile(`${folder}/operstate`, 'utf8')).trim();
    // A dummy or bridge without ports says `unknown` and works; reading `carrier` of an interface that is down fails.
    const carrier = (await readFile(`${folder}/carrier`, 'utf8').catch(() => '0')).trim();
    if (carrier === '1') return { name, level: 'ok', code: '', detail: state };
    return { name, level: 'bad', code: 'LINK_DOWN', detail: `${interfaceName} has no carrier (${state})` };
  } catch {
    return {
      name,
      level: 'bad',
      code: 'INTERFACE_MISSING',
      detail: `there is no interface ${interfaceName} on this host`,
    };
  }
}

async function commandFact(file: string): Promise<HealthFact> {
  const name = `command ${file}`;
  const problem = await commandFileProblem(file);
  if (problem === null) return { name, level: 'ok', code: '', detail: 'may be run' };
  return { name, level: 'bad', code: 'VIP_COMMAND_UNUSABLE', detail: `${file} ${problem.what}` };
}

async function watchdogFact(watchdog: Watchdog, isRequired: boolean): Promise<HealthFact> {
  const name = 'watchdog';
  const problem = await watchdog.problem();
  if (problem === null) return { name, level: 'ok', code: '', detail: `${watchdog.timeoutMs / 1000} s` };
  return { name, level: isRequired ? 'bad' : 'warn', code: 'WATCHDOG_UNUSABLE', detail: problem };
}

async function memoryFact(): Promise<HealthFact> {
  const { available, total } = await mem();
  const percent = Math.round((available / total) * 100);
  const detail = `${percent} % available`;
  return percent < 5
    ? { name: 'memory', level: 'warn', code: 'MEMORY_LOW', detail }
    : { name: 'memory', level: 'ok', code: '', detail };
}

/** From the kernel's own average: the library's function for the load runs a shell, and waits for it, each time. */
function loadFact(): HealthFact {
  const [lastMinute = 0] = loadavg();
  return {
    name: 'load',
    level: 'ok',
    code: '',
    detail: `load average ${lastMinute.toFixed(2)} on ${cpus().length} cores`,
  };
}
