import type { Status } from '../control/status.ts';
import { type Finding, fine, wrong } from './finding.ts';

/** What of users and host keys is not in force, on this host and on the one that leads, by the replicators' word. */
export function configRootFindings(status: Status): Finding[] {
  const here = status.health
    .filter(({ code }) => isAboutConfig(code))
    .map(({ name, code, detail }) => finding(name, code, detail));
  const leader = status.hosts.find(({ role, node }) => role === 'leader' && node !== status.node);
  const there = (leader?.health ?? [])
    .filter(({ code }) => isAboutConfig(code))
    .map(({ name, code, detail }) => finding(name, code, `on ${leader?.node}, which leads: ${detail}`));
  const findings = [...here, ...there];
  return findings.length > 0 ? findings : [fine('users and host keys', 'in force as they are')];
}

/** Who cannot log in, or a file without effect, is an error; an edit that was undone is told and over. */
function finding(about: string, code: string, what: string): Finding {
  return wrong(code === 'CONFIG_EDIT_UNDONE' ? 'warning' : 'error', about, code, what);
}

function isAboutConfig(code: string): boolean {
  return /^(USER_|USERS_|HOST_KEY_|CONFIG_)/.test(code);
}
