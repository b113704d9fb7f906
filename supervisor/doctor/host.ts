import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { hostKeyFolder, isHostKey } from '#contracts/config-root/names.ts';
import { codeOf, messageOf } from '#contracts/errors.ts';
import { version } from '#contracts/version.ts';
import type { Config } from '../config/schema.ts';
import { fetchStatus } from '../control/client.ts';
import type { Status } from '../control/status.ts';
import { gatherHealth } from '../health/facts.ts';
import type { HealthFact, Watchdog } from '../runtime/ports.ts';
import { type Finding, fine, levelOf, wrong } from './finding.ts';

/** Whether the supervisor answers, and is of this release; what it told, for whoever looks on. */
export async function examineSupervisor({
  paths,
}: Config): Promise<{ finding: Finding; status: Status | null }> {
  const about = 'supervisor';
  try {
    const status = await fetchStatus(paths.run);
    if (status.version === version) {
      return { finding: fine(about, `${status.phase}, release ${version}`), status };
    }
    const what = `release ${status.version} runs, ${version} is installed: restart it`;
    return { finding: wrong('warning', about, 'RELEASE_DIFFERS', what), status };
  } catch (error) {
    return { finding: wrong('error', about, codeOf(error), messageOf(error)), status: null };
  }
}

/** What the supervisor looks at all the time. */
export async function examineHealth(config: Config, watchdog: Watchdog | null): Promise<Finding[]> {
  return (await gatherHealth(config, watchdog)).map(findingOf);
}

function findingOf(fact: HealthFact): Finding {
  const { name, level, code, detail } = fact;
  return level === 'ok' ? fine(name, detail) : wrong(levelOf(fact), name, code, detail);
}

/** Secrets that others on this host could read. */
export function examineSecrets({ paths, etcd }: Config): Finding[] {
  const folder = join(paths.config, hostKeyFolder);
  const hostKeys = namesIn(folder).filter((name) => isHostKey(`${hostKeyFolder}/${name}`));
  const files = [...hostKeys.map((name) => join(folder, name)), etcd.tls?.key, etcd.passwordFile].filter(
    (file) => file !== undefined,
  );
  return files.map((file) => {
    try {
      const mode = statSync(file).mode & 0o777;
      if ((mode & 0o007) === 0) return fine(file, `mode ${mode.toString(8)}`);
      return wrong(
        'error',
        file,
        'SECRET_READABLE',
        `${file} has mode ${mode.toString(8)}: others can read it`,
      );
    } catch (error) {
      return wrong('error', file, 'SECRET_READABLE', messageOf(error));
    }
  });
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
