import { monotonicMs, type Prober } from '../../test/lab/client.ts';

/** How long nobody could log in because of `act`, in milliseconds. */
export async function measure(prober: Prober, act: () => Promise<unknown>): Promise<number> {
  const at = monotonicMs();
  await act();
  return (await prober.outage(at)).ms;
}

export function median(times: readonly number[]): number {
  const sorted = times.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low = Number.NaN, high = Number.NaN] = [sorted[middle - 1 + (sorted.length % 2)], sorted[middle]];
  return (low + high) / 2;
}
