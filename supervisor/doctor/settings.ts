import { clusterSettingsOf } from '../config/cluster-settings.ts';
import type { Config } from '../config/schema.ts';
import { fetchStatus } from '../control/client.ts';
import { settingDifferences } from '../core/records/settings.ts';
import { type Finding, fine, wrong } from './finding.ts';

/**
 * Whether the hosts have the settings alike that must be, and whether this one runs with what its file says. Nothing
 * when the supervisor does not answer, which is told by itself.
 */
export async function examineSettings(config: Config): Promise<Finding[]> {
  const status = await fetchStatus(config.paths.run).catch(() => null);
  if (status === null) return [];
  const about = 'settings';
  const written = settingDifferences(clusterSettingsOf(config), status.settings ?? {}).map(
    ({ name, here, there }) => {
      const what = `holdfast.yaml says ${name} ${here}; the supervisor was started with ${there}, which holds until its restart`;
      return wrong('warning', about, 'SETTINGS_DIFFER', what);
    },
  );
  const others = status.hosts.flatMap(({ node, ineligible }) =>
    ineligible
      .filter(({ code }) => code === 'SETTINGS_DIFFER')
      .map(({ code, sentence }) => wrong('error', about, code, `${node} may not lead: ${sentence}`)),
  );
  const findings = [...written, ...others];
  return findings.length > 0 ? findings : [fine(about, 'as on the other hosts')];
}
