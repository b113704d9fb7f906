import type { QuarantineSummary } from '#contracts/ipc/quarantine.ts';
import type { HealthFact } from '../../runtime/ports.ts';

/**
 * Whether something lies in quarantine: what only this host had when it joined another leader. Each host tells it of
 * itself, and by `nodes/<id>` to the others.
 *
 * @param summary null: the replicator has not told yet
 */
export function quarantineFact(summary: QuarantineSummary | null): HealthFact {
  const name = 'quarantine';
  if (summary === null) return { name, level: 'ok', code: '', detail: 'not known yet' };
  const { entries, bytes, oldestAt, isComplete } = summary;
  if (entries === 0 || oldestAt === null) {
    return { name, level: 'ok', code: '', detail: isComplete ? 'nothing' : 'not known yet' };
  }
  const least = isComplete ? '' : 'at least ';
  const detail = `${least}${entries} thing(s) that only this host had lie in quarantine, ${megabytes(bytes)}, the oldest since ${oldestAt}`;
  return { name, level: 'warn', code: 'QUARANTINED', detail };
}

/** Rounded up: it is written to etcd whenever it changes. */
function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6)} MB`;
}
