import Table from 'cli-table3';
import type { QuarantineCounts } from './check/quarantine.ts';
import { knownNotToHold } from './expectations.ts';
import { explained } from './explanation.ts';
import { type History, type Leadership, shownPath } from './history.ts';
import { type Check, checks, type Violation, type Violations } from './violations.ts';

/** One round of faults, and what clients saw of it. */
export interface RoundReport {
  /** Milliseconds of the wall clock. */
  readonly at: number;
  readonly faults: readonly string[];
  /** The longest time without an acknowledged change. */
  readonly writesStoodStillMs: number;
  /** The longest time without an SSH banner at the virtual IP. */
  readonly silenceMs: number;
  /** From the end of the faults until all hosts were in sync. */
  readonly inSyncMs: number;
}

/** Everything that a run found. */
export interface Findings {
  readonly seed: number;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly rounds: readonly RoundReport[];
  readonly history: History;
  readonly violations: Violations;
  readonly quarantine: readonly QuarantineCounts[];
  /** Folders that were checked to the last byte, and those that clients had left in doubt. */
  readonly folders: { readonly checked: number; readonly abandoned: number };
  readonly led: readonly Leadership[];
}

/** Violations that are explained. */
const maxExplained = 5;

/** Whether something is broken that this release is meant to keep. */
export function isBroken({ violations }: Pick<Findings, 'violations'>): boolean {
  return checks.some((check) => violations.counts.has(check) && knownNotToHold[check] === undefined);
}

export function asJson(findings: Findings): string {
  const { seed, startedAt, endedAt, rounds, history, violations, quarantine, folders, led } = findings;
  return JSON.stringify({
    seed,
    seconds: Math.round((endedAt - startedAt) / 1000),
    isBroken: isBroken(findings),
    rounds: rounds.map((round) => ({ ...round, at: (round.at - startedAt) / 1000 })),
    requests: history.counts,
    refusals: Object.fromEntries(history.refusals),
    checks: checks.map((check) => ({
      check,
      violations: violations.counts.get(check) ?? 0,
      known: knownNotToHold[check] ?? null,
    })),
    violations: violations.list.map((violation) => ({
      ...violation,
      history: explained(violation, findings, led),
    })),
    quarantine,
    folders,
    epochs: led,
  });
}

export function asText(findings: Findings): string {
  const { seed, startedAt, endedAt, history, violations, quarantine, folders } = findings;
  const { ok, refused, lost } = history.counts;
  const seconds = Math.round((endedAt - startedAt) / 1000);
  return [
    roundTable(findings),
    `${ok} requests acknowledged, ${refused} refused, ${lost} unanswered, in ${seconds} s; ${folders.checked} folders checked, ${folders.abandoned} left in doubt`,
    ...[...history.refusals].map(([what, count]) => `  refused ${count} times: ${what}`),
    `in quarantine: ${quarantine.map(({ host, files, acknowledged }) => `${host} ${files} files, ${acknowledged} of them acknowledged`).join('; ')}`,
    checkTable(violations),
    ...firstViolations(violations).map((violation) => explainedText(violation, findings)),
    isBroken(findings) ? `broken with seed ${seed}` : `nothing is broken, with seed ${seed}`,
    '',
  ].join('\n');
}

function roundTable({ rounds, startedAt }: Findings): string {
  const table = new Table({
    head: ['at s', 'what happened', 'no write for ms', 'no banner for ms', 'in sync after ms'],
    style: { head: [], border: [] },
  });
  for (const { at, faults, writesStoodStillMs, silenceMs, inSyncMs } of rounds) {
    table.push([
      ((at - startedAt) / 1000).toFixed(1),
      faults.join('\n'),
      writesStoodStillMs,
      silenceMs,
      inSyncMs,
    ]);
  }
  return table.toString();
}

function checkTable({ counts }: Violations): string {
  const table = new Table({ head: ['check', 'outcome'], style: { head: [], border: [] } });
  for (const check of checks) table.push([check, outcomeOf(check, counts.get(check) ?? 0)]);
  return table.toString();
}

function outcomeOf(check: Check, count: number): string {
  const known = knownNotToHold[check];
  if (known !== undefined) return `${count} times not kept, as is known of this release: ${known}`;
  return count === 0 ? 'kept' : `BROKEN ${count} times`;
}

/** Of each check that counts, the first ones. */
function firstViolations({ list }: Violations): Violation[] {
  return list.filter(({ check }) => knownNotToHold[check] === undefined).slice(0, maxExplained);
}

function explainedText(violation: Violation, findings: Findings): string {
  const { check, atMs, what, path } = violation;
  const at = ((atMs - findings.startedAt) / 1000).toFixed(1);
  return [
    `${check} at ${at} s: ${path === null ? '' : `${shownPath(path)}: `}${what}`,
    ...explained(violation, findings, findings.led).map((line) => `    ${line}`),
  ].join('\n');
}
