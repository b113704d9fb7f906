import { isStale, type Outlook } from '../control/outlook.ts';
import type { HostStatus, Status } from '../control/status.ts';
import type { HealthFact } from '../runtime/ports.ts';
import { type Finding, fine, levelOf, wrong } from './finding.ts';

/** Reasons that pass by themselves, or that somebody wanted: no host that is well has others. */
const passing = ['NOT_IN_SYNC', 'NO_FAILOVER', 'STOPPING'];

/** Whether the cluster serves and goes on serving, as this host knows. */
export function examineService(status: Status, outlook: Outlook): Finding[] {
  const about = 'service';
  const served = {
    led: () => fine(about, outlook.leader),
    leaderless: () => wrong('error', about, 'NOT_LEADING', `${outlook.leader} ${outlook.succession}`),
    unknown: () => {
      // What is known and fresh leaves only a leader key that cannot be read.
      const code = isStale(status) ? 'CLUSTER_UNKNOWN' : 'ETCD_VALUE_INVALID';
      return wrong('error', about, code, [outlook.leader, outlook.asOf ?? ''].join(' ').trim());
    },
  };
  return [
    served[outlook.verdict](),
    ...outlook.warnings.map(({ code, sentence }) => wrong('warning', about, code, sentence)),
    ...status.problems.map(({ key, what }) =>
      wrong('error', `etcd key ${key}`, 'ETCD_VALUE_INVALID', `${key} ${what}`),
    ),
  ];
}

/** What is left to do by hand, after everything else: whoever mended something looks here next. */
export function examineNextSteps({ nextSteps }: Outlook): Finding[] {
  return nextSteps.map(({ code, command, why }) => ({
    level: 'warning',
    about: command,
    code,
    what: why,
    advice: `Run \`${command}\`.`,
  }));
}

/**
 * One host by what its supervisor tells: why it may not lead, and what is not well there.
 * @param found what was found here already, by name: it is not told twice
 */
export function examineHost(host: HostStatus, found: ReadonlySet<string> = new Set()): Finding[] {
  const { node, role, ineligible, health } = host;
  const about = `host ${node}`;
  if (role === 'away')
    return [wrong('error', about, 'HOST_AWAY', `${node} is away: it holds no lease at etcd`)];
  const findings = [
    ...ineligible
      .filter(({ code }) => !health.some((fact) => fact.code === code))
      .map(({ code, sentence }) =>
        wrong(passing.includes(code) ? 'warning' : 'error', about, code, `${node} may not lead: ${sentence}`),
      ),
    ...health.filter(({ name }) => !found.has(name)).map((fact) => factOf(node, fact)),
  ];
  return findings.length > 0 ? findings : [fine(about, role)];
}

function factOf(node: string, fact: HealthFact): Finding {
  const { name, code, detail } = fact;
  return wrong(levelOf(fact), `host ${node}: ${name}`, code, `${node}: ${detail}`);
}

/** The other hosts, by what they publish in etcd: well, of the same release, with clocks that agree. */
export function examineOthers(status: Status): Finding[] {
  if (isStale(status)) {
    return [
      wrong(
        'error',
        'the other hosts',
        'CLUSTER_UNKNOWN',
        'nothing is known of the other hosts: etcd does not answer',
      ),
    ];
  }
  const others = status.hosts.filter(({ node }) => node !== status.node);
  if (others.length === 0)
    return [wrong('warning', 'the other hosts', 'NO_SUCCESSOR', 'this cluster has one host')];
  return others.flatMap((host) => [...examineHost(host), ...examineRelease(host, status)]);
}

function examineRelease({ node, version }: HostStatus, status: Status): Finding[] {
  if (version === null || version === status.version) return [];
  const what = `${node} runs release ${version}, ${status.node} runs ${status.version}`;
  return [wrong('warning', `host ${node}`, 'RELEASE_DIFFERS', what)];
}
