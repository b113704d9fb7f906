import { monotonicMs, type Prober } from '../../test/lab/client.ts';

/** How long nobody could log in because of `act`, in milliseconds. */
export async function measure(prober: Prober, act: () => Promise<unknown>): Promise<number> {
  const at = monotonicMs();
  await act();
  return (await prober.outage(at)).ms;
}
