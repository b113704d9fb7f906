import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf, messageOf } from '#contracts/errors.ts';
import { version } from '#contracts/version.ts';
import type { Config } from '../config/schema.ts';
import { fetchStatus } from '../control/client.ts';
import { gatherHealth } from '../health/facts.ts';
import type { HealthFact, Watchdog } from '../runtime/ports.ts';
import { type Finding, fine, wrong } from './finding.ts';

/** Whether the supervisor answers, and is of this release. */
export async function examineSupervisor({ paths }: Config): Promise<Finding> {
  const about = 'supervisor';
  try {
    const status = await fetchStatus(paths.run);
    if (status.version !== version) {
      const what = `release ${status.version} runs, ${version} is installed: restart it`;
      return wrong('warning', about, 'RELEASE_DIFFERS', what);
    }
    return fine(about, `${status.phase}, release ${version}`);
  } catch (error) {
    return wrong('error', about, codeOf(error), messageOf(error));
  }
}

/** What the supervisor looks at all the time. */
export async function examineHealth(config: Config, watchdog: Watchdog | null): Promise<Finding[]> {
  return (await gatherHealth(config, watchdog)).map(findingOf);
}

function findingOf({ name, level, code, detail }: HealthFact): Finding {
  if (level === 'ok') return fine(name, detail);
  // etcd refuses who shows a certificate that has ended.
  const isError = level === 'bad' || code === 'CERTIFICATE_ENDED' || code === 'ETCD_TLS_UNUSABLE';
  return wrong(isError ? 'error' : 'warning', name, code, detail);
}

/** Secrets that others on this host could read. */
export function examineSecrets({ paths, etcd }: Config): Finding[] {
  const folder = join(paths.config, 'host_keys');
  const hostKeys = namesIn(folder).filter((name) => /^ssh_host_\w+_key$/.test(name));
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
