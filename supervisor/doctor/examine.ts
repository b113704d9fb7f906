import { watchdogOf } from '../adapters/kernel/watchdog.ts';
import type { Config } from '../config/schema.ts';
import { outlookOf } from '../control/outlook.ts';
import type { Status } from '../control/status.ts';
import { examineHost, examineNextSteps, examineOthers, examineService } from './cluster.ts';
import { configRootFindings } from './config-root.ts';
import { examineEtcd } from './etcd.ts';
import type { Finding } from './finding.ts';
import { examineHealth, examineSecrets, examineSupervisor } from './host.ts';
import { examinePort } from './port.ts';
import { examineSettings } from './settings.ts';

/** Everything that the doctor looks at. The host's own parts are looked at anew, also when no supervisor answers. */
export async function examine(config: Config, cluster: boolean): Promise<Finding[]> {
  const [{ finding, status }, etcd, health] = await Promise.all([
    examineSupervisor(config),
    examineEtcd(config),
    examineHealth(config, watchdogOf(config)),
  ]);
  const settings = status === null ? [] : examineSettings(config, status);
  const here = [finding, ...etcd, ...health, ...settings, ...examineSecrets(config)];
  if (status === null) return here;
  const looked = [...here, ...configRootFindings(status)];
  return [...looked, await examinePort(config, status), ...whatIsTold(status, looked, cluster)];
}

/** By the word of the supervisor: of the cluster, of this host, of the others. */
export function whatIsTold(status: Status, found: readonly Finding[], cluster: boolean): Finding[] {
  const outlook = outlookOf(status);
  const warned = outlook.warnings.map(({ code }) => code);
  const own = status.hosts.find(({ node }) => node === status.node);
  const seen = new Set([
    ...found.map(({ about }) => about),
    ...status.health.filter(({ code }) => warned.includes(code)).map(({ name }) => name),
  ]);
  return [
    ...examineService(status, outlook),
    ...(own === undefined ? [] : examineHost(own, seen)),
    ...(cluster ? examineOthers(status) : []),
    ...examineNextSteps(outlook),
  ];
}
