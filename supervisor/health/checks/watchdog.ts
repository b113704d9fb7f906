import type { HealthFact, Watchdog } from '../../runtime/ports.ts';

/** Whether the machine's timer can be used as it should. */
export async function watchdogFact(watchdog: Watchdog, isRequired: boolean): Promise<HealthFact> {
  const name = 'watchdog';
  const problem = await watchdog.problem();
  if (problem === null) return { name, level: 'ok', code: '', detail: `${watchdog.timeoutMs / 1000} s` };
  return { name, level: isRequired ? 'bad' : 'warn', code: 'WATCHDOG_UNUSABLE', detail: problem };
}
