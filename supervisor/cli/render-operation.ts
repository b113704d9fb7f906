import type { Plan } from '../core/operation/plan.ts';
import type { OperationRecord } from '../core/records/operation.ts';
import { table } from './table.ts';

/** What a switchover or failover would do, and how each host stands. */
export function renderPlan({ from, to, candidates, refusal }: Plan): string {
  const rows = candidates.map(({ node, priority, reasons: [first] }) => [
    node,
    String(priority),
    first === undefined ? 'yes' : `no: ${first.code}`,
  ]);
  const details = candidates.flatMap(({ node, reasons }) =>
    reasons.map(({ code, sentence }) => `${node}: ${code}: ${sentence}`),
  );
  return [
    `from ${from ?? 'nobody'} to ${to ?? 'nobody'}`,
    table(['Host', 'Priority', 'May lead'], rows),
    ...details,
    ...(refusal === null ? [] : [`It would be refused: ${refusal.code}: ${refusal.sentence}`]),
  ].join('\n');
}

export function renderOperation(operation: OperationRecord): string {
  const { id, kind, from, to, state, requestedBy, requestedAt, at, drainMs, steps } = operation;
  return [
    `${kind} ${id}: ${state}`,
    `from ${from ?? 'nobody'} to ${to ?? 'the best candidate'}, drain ${drainMs / 1000} s`,
    `asked for by ${requestedBy} at ${requestedAt}${at === null ? '' : `, to begin at ${at}`}`,
    ...steps.map((entry) => `  ${entry.at}  ${entry.step}`),
    renderOutcome(operation),
  ]
    .filter((line) => line !== '')
    .join('\n');
}

export function renderOutcome({ state, outcome }: OperationRecord): string {
  return outcome === null ? '' : `${state}: ${outcome.code}: ${outcome.sentence}`;
}
