import { errorTable } from '#contracts/errors.ts';
import type { Cause } from '../core/cause.ts';
import { noSuccessorCause } from '../core/leadership/candidates.ts';
import { unreadableLeader } from '../core/records/records.ts';
import type { HostStatus, Status } from './status.ts';

/** Whether somebody leads, as far as the host that was asked can know. */
export type Verdict = 'led' | 'leaderless' | 'unknown';

/** `unknown` where only etcd could tell, and what it told is too old. */
export type MayLead = 'yes' | 'no' | 'unknown';

/** What a person has to do after mending, which nothing does by itself. */
export interface NextStep {
  /** What is mended by it. */
  readonly code: string;
  readonly command: string;
  readonly why: string;
}

/**
 * What a status means: the text of `status`, `why` and `doctor`, their exit codes and `--json` all come from here, so
 * that none of them tells as a fact what is only old.
 */
export interface Outlook {
  readonly verdict: Verdict;
  /** Who leads, in a sentence. */
  readonly leader: string;
  /** How old what etcd told is, and that it does not answer; null while it does. */
  readonly asOf: string | null;
  readonly mayLead: Readonly<Record<string, MayLead>>;
  /** Who would take over, or takes over now that nobody leads. */
  readonly succession: string;
  /** What one more death would end the service for good by. */
  readonly warnings: readonly Cause[];
  readonly nextSteps: readonly NextStep[];
}

export function outlookOf(status: Status): Outlook {
  const verdict = verdictOf(status);
  const mayLead = Object.fromEntries(status.hosts.map((host) => [host.node, mayLeadOf(host, status)]));
  return {
    verdict,
    leader: leaderSentence(status, verdict),
    asOf: asOf(status),
    mayLead,
    succession: successionSentence(status, verdict),
    warnings: warningsOf(status, verdict),
    nextSteps: nextStepsOf(status, verdict),
  };
}

/** What etcd told is older than a lease: whoever led then may have lost it since. */
export function isStale({ view }: Pick<Status, 'view'>): boolean {
  return view.ageMs === null || view.ageMs > view.staleAfterMs;
}

/** A host that leads knows it by its own lease, whatever else it can read. */
function leadsHere({ phase, leaseLeftMs }: Status): boolean {
  return (phase === 'leading' || phase === 'handing-over') && leaseLeftMs !== null && leaseLeftMs > 0;
}

function verdictOf(status: Status): Verdict {
  const { leader, node, phase } = status;
  if (leadsHere(status)) return 'led';
  if (isStale(status) || leader?.node === unreadableLeader) return 'unknown';
  if (leader === null) return 'leaderless';
  // The key of a host that has stepped down is there until it is released, or ends with the lease.
  return leader.node === node && phase !== 'promoting' ? 'leaderless' : 'led';
}

function asOf({ view }: Status): string | null {
  if (view.ageMs === null) return 'etcd has not answered this host since its supervisor started';
  if (view.etcdAnswers) return null;
  return `as of ${secondsOf(view.ageMs)} ago; etcd does not answer this host`;
}

function secondsOf(ms: number): string {
  return ms < 120_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`;
}

function leaderSentence(status: Status, verdict: Verdict): string {
  const { leader, node, phase } = status;
  if (verdict === 'led' && leader !== null && leader.node !== unreadableLeader) {
    const state = leader.node === node && phase === 'promoting' ? ' and is putting the service up' : '';
    return `${leader.node} leads at epoch ${leader.epoch} since ${leader.since}${state}: ${leader.cause}.`;
  }
  if (verdict === 'led') return `${node} leads, by its own lease.`;
  if (verdict === 'leaderless') {
    return leader === null ? 'Nobody leads.' : `Nobody leads: ${leader.node} has stepped down.`;
  }
  if (leader?.node === unreadableLeader && !isStale(status)) {
    return 'Who leads is not known: the leader key in etcd cannot be read.';
  }
  if (status.view.ageMs === null) return 'Who leads is not known.';
  const then = leader === null ? 'nobody led' : `${leader.node} led at epoch ${leader.epoch}`;
  return `Who leads is not known: ${then} ${secondsOf(status.view.ageMs)} ago.`;
}

/** Own reasons are known here; those of others, and the in-sync set, only from etcd. */
function mayLeadOf({ node, role, ineligible }: HostStatus, status: Status): MayLead {
  const isSelf = node === status.node;
  if (isStale(status)) return isSelf && ineligible.length > 0 ? 'no' : 'unknown';
  if (role === 'away') return 'no';
  return ineligible.length === 0 ? 'yes' : 'no';
}

/** As the hosts would decide it: those in sync that may, of the highest priority. */
function ableHosts({ hosts }: Status): HostStatus[] {
  return hosts
    .filter(({ role, ineligible, inSync }) => role === 'standby' && inSync && ineligible.length === 0)
    .sort((a, b) => b.priority - a.priority || a.node.localeCompare(b.node));
}

function successionSentence(status: Status, verdict: Verdict): string {
  const { leader, paused, health } = status;
  const able = ableHosts(status);
  const best = able.filter(({ priority }) => priority === able[0]?.priority).map(({ node }) => node);
  if (isStale(status) || verdict === 'unknown') return 'Who could take over is not known.';
  if (verdict === 'leaderless') {
    if (paused !== null) {
      return `Nobody takes over, since the cluster is paused${paused.leader === null ? '' : `, but for ${paused.leader}`}.`;
    }
    return best.length === 0
      ? 'No host may take over by itself.'
      : `${best.join(' or ')} may take over by itself.`;
  }
  const inThatCase = `If ${leader?.node ?? status.node} died now,`;
  if (paused !== null) return `${inThatCase} nobody would take over, since the cluster is paused.`;
  if (best.length === 0) return `${inThatCase} nobody would take over: see \`holdfast failover\`.`;
  const condition = health.some(({ code }) => code === 'ETCD_NO_SPARE')
    ? ', if no etcd member dies with it'
    : '';
  return `${inThatCase} ${best.join(' or ')} would take over when its lease ends${condition}.`;
}

/** The etcd members this host asks itself, so what it found is told also while etcd as a whole does not answer. */
function warningsOf(status: Status, verdict: Verdict): Cause[] {
  const etcd = status.health
    .filter(({ code }) => code === 'ETCD_NO_SPARE' || code === 'ETCD_NO_MAJORITY')
    .map(({ code, detail }) => ({ code, sentence: detail }));
  if (verdict !== 'led' || isStale(status) || ableHosts(status).length > 0) return etcd;
  return [noSuccessorCause(status.leader?.node ?? status.node), ...etcd];
}

function nextStepsOf(status: Status, verdict: Verdict): NextStep[] {
  const { hosts, paused } = status;
  const having = (code: string) =>
    hosts.filter(({ ineligible }) => ineligible.some((one) => one.code === code));
  const steps: NextStep[] = [];
  const add = (code: string, command: string, why: string) => steps.push({ code, command, why });
  if (having('ETCD_WENT_BACK').length > 0) {
    add(
      'ETCD_WENT_BACK',
      'holdfast accept-etcd',
      'nobody leads until somebody accepts the etcd that went back',
    );
  }
  if (status.leader?.node === unreadableLeader && !isStale(status)) {
    add(
      'ETCD_VALUE_INVALID',
      'holdfast etcd mend leader',
      'nobody leads until the key is taken out of the way',
    );
  }
  for (const { node } of having('PROMOTIONS_FAILED')) {
    add(
      'PROMOTIONS_FAILED',
      'holdfast clear',
      `run it on ${node} once what its promotions failed at is mended`,
    );
  }
  if (paused !== null)
    add('PAUSED', 'holdfast resume', 'no other host takes over by itself until the pause is ended');
  const isHelpless = verdict === 'leaderless' && ableHosts(status).length === 0 && steps.length === 0;
  if (isHelpless && !isStale(status)) {
    add(
      'NOT_LEADING',
      'holdfast failover',
      'if no host comes to be able to take over by itself; it shows first what each one lacks',
    );
  }
  return steps;
}

/** What to do about a code; empty for one that this release does not know. */
export function adviceOn(code: string): string {
  return (errorTable as Record<string, string>)[code] ?? '';
}
