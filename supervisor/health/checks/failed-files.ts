import { flushFailedCause } from '../../core/leadership/failed-files.ts';
import type { HealthFact, ReplicatorStatus } from '../../runtime/ports.ts';

/**
 * Whether files lie here whose flush failed (P6). A leader is relieved by a host that is fit; a standby fetches them anew,
 * and may lead until then if nobody else can.
 */
export function failedFilesFact(failed: ReplicatorStatus['failedFiles'], isServing: boolean): HealthFact {
  const name = 'flushed files';
  if (failed === null) return { name, level: 'ok', code: '', detail: 'the disk took all that was written' };
  const { code, sentence } = flushFailedCause(failed);
  return { name, level: isServing ? 'bad' : 'warn', code, detail: sentence };
}
