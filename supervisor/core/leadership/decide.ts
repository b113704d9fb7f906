import { absorb } from './absorb.ts';
import { advance, type Change } from './advance.ts';
import type { RoleEvent } from './events.ts';
import type { Order } from './orders.ts';
import { ordersFor } from './orders-for.ts';
import type { RoleState } from './state.ts';
import type { Timing } from './timing.ts';

export interface Decision {
  readonly state: RoleState;
  readonly orders: readonly Order[];
  readonly changes: readonly Change[];
}

/**
 * The whole of the supervisor's judgement: no I/O, no clock, no randomness. An observation is folded into the facts,
 * the phase moves on as far as the facts allow, and what must be so follows from both.
 */
export function decide(before: RoleState, event: RoleEvent, timing: Timing): Decision {
  const { state, changes } = advance(absorb(before, event, timing), event.at, timing);
  return { state, orders: ordersFor(state, event.at, timing), changes };
}
