import { type ErrorCode, errorTable } from '#contracts/errors.ts';

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
