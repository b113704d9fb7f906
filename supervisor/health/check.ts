import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '#contracts/errors.ts';
import type { HealthFact } from '../runtime/ports.ts';

/** One thing about this host that is looked at again and again. */
export interface Check {
  /** What is looked at. */
  readonly name: string;
  /** Time between two looks. */
  readonly everyMs: number;
  /** For people alone: that it cannot be looked at does not forbid to lead. */
  readonly isAdvisory?: boolean;
  readonly look: () => Promise<readonly HealthFact[]> | readonly HealthFact[];
}

/** A look that takes longer is overdue: what answers at all does so within milliseconds. */
export const overdueAfterMs = 5000;

/** A host that has not been looked at yet has not shown that it could lead. */
export function pendingFacts({ name, isAdvisory }: Check): HealthFact[] {
  if (isAdvisory) return [];
  return [{ name, level: 'bad', code: 'CHECK_PENDING', detail: `${name}: not looked at yet` }];
}

export function overdueFact({ name, isAdvisory }: Pick<Check, 'name' | 'isAdvisory'>): HealthFact {
  const detail = `${name}: no answer for ${overdueAfterMs / 1000} s`;
  return { name, level: isAdvisory ? 'warn' : 'bad', code: 'CHECK_OVERDUE', detail };
}

/** Never rejects: what cannot be looked at is a fact as well. */
export async function look(check: Check): Promise<readonly HealthFact[]> {
  try {
    return await check.look();
  } catch (error) {
    const { name, isAdvisory } = check;
    const detail = `${name}: cannot be looked at: ${messageOf(error)}`;
    return [{ name, level: isAdvisory ? 'warn' : 'bad', code: 'CHECK_FAILED', detail }];
  }
}

/** For who looks once, as `holdfast doctor`. Waits no longer than for one that is overdue. */
export async function lookOnce(check: Check): Promise<readonly HealthFact[]> {
  return (
    (await Promise.race([look(check), delay(overdueAfterMs, null, { ref: false })])) ?? [overdueFact(check)]
  );
}
