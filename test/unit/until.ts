import { setTimeout as delay } from 'node:timers/promises';

/** Looks every millisecond; a test that waits in vain says so instead of hanging. */
export async function until(what: () => boolean, limitMs = 5000): Promise<void> {
  const startedMs = performance.now();
  while (!what()) {
    if (performance.now() - startedMs > limitMs) throw new Error(`waited in vain: ${what}`);
    await delay(1);
  }
}
