import { setTimeout as delay } from 'node:timers/promises';

/**
 * Looks until `look` gives something, at most for `limitMs`.
 * @param evidence what to show when it does not: logs of those involved
 */
export async function waitFor<Found>(
  what: string,
  look: () => Promise<Found | null | undefined | false> | Found | null | undefined | false,
  {
    limitMs = 20_000,
    everyMs = 50,
    evidence = () => '',
  }: { limitMs?: number; everyMs?: number; evidence?: () => string } = {},
): Promise<Found> {
  const startedMs = performance.now();
  let lastError: unknown = null;
  while (performance.now() - startedMs < limitMs) {
    try {
      const found = await look();
      if (found !== null && found !== undefined && found !== false) return found;
    } catch (error) {
      lastError = error;
    }
    await delay(everyMs);
  }
  const reason = lastError === null ? '' : ` (last error: ${String(lastError)})`;
  throw new Error(`waited ${limitMs} ms in vain for ${what}${reason}\n${evidence()}`);
}
