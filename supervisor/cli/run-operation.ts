import { callControl, fetchStatus } from '../control/client.ts';
import type { Plan } from '../core/operation/plan.ts';
import type { OperationRequest } from '../core/operation/request.ts';
import type { OperationRecord } from '../core/records/operation.ts';
import { BannerWatch } from './banner-watch.ts';
import { followOperation } from './follow.ts';
import { printLine } from './person.ts';
import { renderPlan } from './render-operation.ts';

/** Shows what would come of the request, which changes nothing. */
export async function showPlan(run: string, request: OperationRequest): Promise<Plan> {
  const plan = await callControl<Plan>(run, 'POST', '/v1/operations', { ...request, dryRun: true });
  printLine(renderPlan(plan));
  return plan;
}

/** Asks for the operation, and watches it with the outage that clients see. */
export async function runOperation(run: string, request: OperationRequest, wait: boolean): Promise<void> {
  const { vips, sftpPort } = await fetchStatus(run);
  const address = vips[0]?.split('/')[0] ?? '';
  const watch = new BannerWatch(address, sftpPort);
  if (wait) watch.start();
  try {
    const { id, kind, at } = await callControl<OperationRecord>(run, 'POST', '/v1/operations', request);
    printLine(`${kind} ${id}${at === null ? '' : ` is to begin at ${at}`}`);
    if (!wait) return;
    const ended = await followOperation(run, id, printLine);
    if (ended?.state !== 'done') process.exitCode = 1;
  } finally {
    const outageMs = wait ? await watch.end(request.kind === 'failover' ? 10_000 : 3000) : null;
    if (outageMs !== null) {
      printLine(
        `clients could not connect to ${address} for ${outageMs.toFixed(0)} ms (seen from this host, every 10 ms)`,
      );
    }
  }
}
