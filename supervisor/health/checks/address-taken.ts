import { setTimeout as delay } from 'node:timers/promises';
import { codeOf, messageOf } from '#contracts/errors.ts';
import type { HealthFact, VipConflict } from '../../runtime/ports.ts';

/** What is seen once may be a switchover under way, or a host that is too busy to ask. */
const againAfterMs = 2000;

export interface AddressTakenOptions {
  /** Asks the network who else has one of the addresses; null: nobody. @throws when nobody could be asked */
  readonly ask: () => Promise<VipConflict | null>;
  /** Hardware addresses that may answer: the leader's. Null: not known, or this host leads. */
  readonly expected: () => readonly string[] | null;
}

/**
 * Whether the virtual IPs could be taken over: a promotion fails when somebody has one that is not the leader, or when
 * that cannot be found out. While nobody leads, the promotion asks.
 */
export async function addressTakenFact(options: AddressTakenOptions): Promise<HealthFact> {
  const first = await problemNow(options);
  if (first === null) return fine;
  await delay(againAfterMs);
  const second = await problemNow(options);
  if (second === null || second.code !== first.code) return fine;
  return { name, level: 'bad', ...second };
}

const name = 'virtual IP elsewhere';
const fine: HealthFact = { name, level: 'ok', code: '', detail: 'nobody but the leader has it' };

async function problemNow({ ask, expected }: AddressTakenOptions) {
  if (expected() === null) return null;
  try {
    const taken = await ask();
    const known = expected();
    if (taken === null || known === null || known.includes(taken.macAddress)) return null;
    const detail = `${taken.address} is answered for by ${taken.macAddress}, which is not the leader`;
    return { code: 'VIP_IN_USE', detail };
  } catch (error) {
    return { code: codeOf(error), detail: messageOf(error) };
  }
}
