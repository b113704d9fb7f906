import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '#contracts/errors.ts';
import { fetchStatus } from '../control/client.ts';
import type { Status } from '../control/status.ts';
import { isOver, type OperationRecord } from '../core/records/operation.ts';
import { exitCodes } from './exit-codes.ts';
import { renderOutcome } from './render-operation.ts';

const everyMs = 100;
/** How long the supervisor of this host may take to hear from etcd of an operation that was just asked for. */
const unheardMs = 10_000;
/** A supervisor that is restarted is back sooner, and a host that takes over leads sooner. */
const silentMs = 60_000;

const sentences: Record<string, string> = {
  preparing: 'the successor loads its SFTP node, clients are served',
  draining: 'running transfers may end',
  'handing-off': 'the last operations go to the successor',
  leaving: 'clients are let go, the virtual IP is taken off',
  transferring: 'the leader key moves to the successor',
};

/**
 * Prints each step of an operation as it happens, until it is over. Ctrl-C ends the watching alone.
 * @returns the operation as it ended; null if another took its place, or the supervisor never heard of it
 */
export async function followOperation(
  runFolder: string,
  id: string,
  print: (line: string) => void,
): Promise<OperationRecord | null> {
  process.once('SIGINT', () => {
    print(
      `\nThe ${id} goes on without being watched: \`holdfast operation show\`, or \`holdfast operation cancel\`.`,
    );
    process.exit(exitCodes.interrupted);
  });
  let shown = '';
  let isHeardOf = false;
  const startedMs = performance.now();
  let answeredMs = startedMs;
  let leaderMs = startedMs;
  for (;;) {
    // The supervisor of this host may be restarted while it is watched.
    const status = await fetchStatus(runFolder).catch((error) => messageOf(error));
    if (typeof status === 'string' && performance.now() - answeredMs > silentMs) {
      print(
        `the supervisor of this host does not answer (${status}); what became of it: \`holdfast history\``,
      );
      return null;
    }
    if (typeof status !== 'string') {
      answeredMs = performance.now();
      const { operation } = status;
      if (operation?.id !== id) {
        if (isHeardOf || performance.now() - startedMs > unheardMs) {
          print(`${id} is not what this host hears of now; what became of it: \`holdfast history\``);
          return null;
        }
        await delay(everyMs);
        continue;
      }
      isHeardOf = true;
      const line = stepLine(operation, status);
      if (line !== shown && line !== '') print(line);
      shown = line;
      if (isOver(operation)) {
        print(renderOutcome(operation));
        return operation;
      }
      if (status.leader !== null) leaderMs = performance.now();
      if (
        isLeaderless(operation, status) &&
        (status.paused !== null || performance.now() - leaderMs > silentMs)
      ) {
        print(`${id} goes on, or ends, when a host leads again, which this does not wait for`);
        return null;
      }
    }
    await delay(everyMs);
  }
}

/** A switchover is run by the leader; while a cluster is paused no other host becomes one. */
function isLeaderless({ kind, at }: OperationRecord, { leader }: Status): boolean {
  return leader === null && kind === 'switchover' && at === null;
}

function stepLine(operation: OperationRecord, status: Status): string {
  const { kind, to, state, step, at } = operation;
  const { activity, phase } = status;
  if (isLeaderless(operation, status)) {
    return `nobody leads${status.paused === null ? '' : ', and the cluster is paused: `holdfast resume`'}`;
  }
  if (state === 'pending') {
    const who = kind === 'failover' && to !== null ? to : 'the leader';
    return at === null ? `waiting for ${who} to take it up` : `waiting for ${at}`;
  }
  if (state !== 'running' || step === null) return '';
  const left =
    step === 'draining' && phase === 'handing-over'
      ? `: ${activity.sessions} session(s), ${activity.transfers} transfer(s) left`
      : '';
  return `${step}: ${sentences[step] ?? ''}${left}`;
}
