import type { RoleEvent } from '../core/leadership/events.ts';

/** An event without its time, which the loop adds when it takes it in. */
export type Observation = RoleEvent extends infer E ? (E extends RoleEvent ? Omit<E, 'at'> : never) : never;
