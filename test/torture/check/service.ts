import type { AddressWatch } from '../../lab/address-watch.ts';
import type { LabHost } from '../../lab/host.ts';
import type { Lab } from '../../lab/lab.ts';
import { missingOn, outOfTurn } from '../../lab/scrutiny.ts';
import type { ServiceWatch } from '../../lab/service-watch.ts';
import { longestStep } from '../history.ts';
import type { Violations } from '../violations.ts';

export interface Watches {
  readonly address: AddressWatch;
  readonly service: ServiceWatch;
}

/** Not every millisecond, as tests of single faults ask: both cores are for the cluster. */
const askEveryMs = 20;

export async function startWatches(lab: Lab): Promise<Watches> {
  return {
    address: await lab.watchAddress(),
    service: await lab.watchService(lab.vipV4, askEveryMs),
  };
}

/** The longest time within a span in which nobody at the address answered with an SSH banner. */
export function longestSilence({ service }: Watches, fromMs: number, untilMs: number): number {
  const answered = service.answers.flatMap(({ answeredMs }) => answeredMs ?? []).sort((a, b) => a - b);
  const before = answered.findLast((time) => time <= fromMs) ?? fromMs;
  const within = answered.filter((time) => time > fromMs && time <= untilMs);
  return Math.round(longestStep([before, ...within, untilMs]));
}

/** At no time two hosts had the address, and hosts answered and acknowledged one after the other, as they led. */
export async function checkService(
  { address, service }: Watches,
  lab: Lab,
  leader: LabHost,
  sinceEpoch: number,
  violations: Violations,
): Promise<void> {
  await service.stop();
  await address.stop();
  for (const { atMs, macs } of address.doubled)
    violations.add('one-address', `at ${atMs} ms of the monotonic clock ${macs.join(' and ')} answered`);
  if (address.holders.size === 0) violations.add('one-address', 'nobody ever answered');
  const wrong = await outOfTurn(lab, leader, service, sinceEpoch);
  if (wrong !== null) violations.add('in-turn', wrong);
  for (const host of lab.hosts) {
    for (const name of missingOn(host, service))
      violations.add(
        'acknowledged',
        `on ${host.name}: a file of the service watch is missing or wrong`,
        name,
      );
  }
}
