import type { EpochTable, LogPosition } from '../core/position.ts';
import type { LogPort } from '../peers/ports.ts';
import type { Store } from './store.ts';

/** A host's log, as both sides of the protocol between engines tell it. */
export class StoreLog implements LogPort {
  protected readonly store: Store;

  constructor(store: Store) {
    this.store = store;
  }

  get position(): LogPosition {
    return this.store.log.position;
  }

  get chain(): Buffer {
    return this.store.log.chain;
  }

  get epochs(): EpochTable {
    return this.store.log.epochs;
  }

  get start(): LogPosition {
    return this.store.log.start;
  }

  chainAt(sequence: number): Promise<Buffer | null> {
    return this.store.log.chainAt(sequence);
  }
}
