import { type ErrorCode, errorTable } from '#contracts/errors.ts';
import type { HealthFact } from '../runtime/ports.ts';

/** One thing that `holdfast doctor` looked at. */
export interface Finding {
  readonly level: 'ok' | 'warning' | 'error';
  /** What was looked at. */
  readonly about: string;
  /** Stable; empty when nothing is wrong. */
  readonly code: string;
  readonly what: string;
  readonly advice: string;
}

export function fine(about: string, what: string): Finding {
  return { level: 'ok', about, code: '', what, advice: '' };
}

export function wrong(level: 'warning' | 'error', about: string, code: string, what: string): Finding {
  const advice = code in errorTable ? errorTable[code as ErrorCode] : '';
  return { level, about, code, what, advice };
}

/**
 * What waits for a person is an error here, though the host may lead with it: etcd refuses who shows a certificate that
 * has ended, users are not as somebody wrote them, files of clients are out of service.
 */
const waitsForSomebody = /^(CERTIFICATE_ENDED|ETCD_TLS_UNUSABLE|QUARANTINED|USERS_.*)$/;

export function levelOf({ level, code }: Pick<HealthFact, 'level' | 'code'>): 'warning' | 'error' {
  return level === 'bad' || waitsForSomebody.test(code) ? 'error' : 'warning';
}
