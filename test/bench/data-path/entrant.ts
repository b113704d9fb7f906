import type { Variant } from './options.ts';

/** One way of running the engine, in a table. */
export interface Entrant {
  readonly name: string;
  readonly changes?: Partial<Variant>;
  readonly follower: boolean;
  readonly poolThreads?: number;
}
