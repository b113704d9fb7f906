import { fetchStatus } from '../control/client.ts';
import type { Plan } from '../core/operation/plan.ts';
import type { OperationRequest } from '../core/operation/request.ts';
import type { OperationRecord } from '../core/records/operation.ts';
import { ask } from './ask.ts';
import { BannerWatch } from './banner-watch.ts';
import { exitOfOperation } from './exit-codes.ts';
import { followOperation } from './follow.ts';
import { mustBeKnown } from './known-host.ts';
import { exitAs, narrator, printJson } from './output.ts';
import { whileWaiting } from './progress.ts';
import { renderPlan } from './render-operation.ts';

/**
 * Shows what would come of the request, which changes nothing.
 * @throws HoldfastError TARGET_UNKNOWN, with the host that may be meant
 */
export async function showPlan(
  run: string,
  json: boolean | undefined,
  request: OperationRequest,
): Promise<Plan> {
  if (request.to !== null) mustBeKnown(request.to, await fetchStatus(run));
  const plan = await ask<Plan>(run, json, 'POST', '/v1/operations', { ...request, dryRun: true });
  narrator(json)(renderPlan(plan));
  return plan;
}

/** Asks for the operation, and watches it with the outage that clients see. */
export async function runOperation(
  run: string,
  json: boolean | undefined,
  request: OperationRequest,
  wait: boolean,
): Promise<void> {
  const tell = narrator(json);
  const { vips, sftpPort } = await fetchStatus(run);
  const address = vips[0]?.split('/')[0] ?? '';
  const watch = new BannerWatch(address, sftpPort);
  if (wait) watch.start();
  let operation: OperationRecord | null = null;
  let outageMs: number | null = null;
  try {
    operation = await ask<OperationRecord>(run, json, 'POST', '/v1/operations', request);
    const { id, kind, at } = operation;
    tell(`${kind} ${id}${at === null ? '' : ` is to begin at ${at}`}`);
    if (wait) {
      const ended = await followOperation(run, id, tell);
      operation = ended ?? operation;
      exitAs(exitOfOperation(ended));
    }
  } finally {
    const limitMs = answersWithinMs(request.kind, operation);
    if (wait) outageMs = await whileWaiting(`waiting for ${address} to answer`, json, watch.end(limitMs));
    // Before a failover nobody served: that outage began earlier, and `holdfast history` has it.
    if (request.kind === 'failover') outageMs = null;
    if (outageMs !== null && operation !== null) {
      tell(
        `clients could not connect to ${address} for ${outageMs.toFixed(0)} ms (seen from this host, every 10 ms)`,
      );
    }
  }
  if (json === true) printJson({ operation, outageMs });
}

/** How long to wait for the service: not at all where the operation was refused, or left nobody leading. */
function answersWithinMs(kind: OperationRequest['kind'], operation: OperationRecord | null): number {
  if (operation === null) return 0;
  if (kind === 'switchover') return 3000;
  return operation.state === 'done' ? 10_000 : 0;
}
