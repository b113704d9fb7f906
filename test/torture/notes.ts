import { History } from './history.ts';
import { Violations } from './violations.ts';

/** Where everybody writes down what they do and find. */
export class Notes {
  /** Milliseconds of the wall clock. */
  readonly startedAt = Date.now();
  readonly history = new History();
  readonly violations = new Violations();
  /** Digests of all contents that were acknowledged at some time, whatever became of them. */
  readonly acknowledgedContents = new Set<string>();
}
