import { clusterSettingsOf } from '../config/cluster-settings.ts';
import type { Config } from '../config/schema.ts';
import type { Status } from '../control/status.ts';
import { settingDifferences } from '../core/records/settings.ts';
import { type Finding, fine, wrong } from './finding.ts';

/**
 * Whether the hosts have the settings alike that must be, and whether this one runs with what its file says.
 */
export function examineSettings(config: Config, status: Status): Finding[] {
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
