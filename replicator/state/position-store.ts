import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { HoldfastError } from '#contracts/errors.ts';
import { type Epoch, epochSchema, type Position, positionSchema } from '#contracts/identities.ts';
import { writeDurably } from './durable-file.ts';

const storedSchema = z.object({ highestEpoch: epochSchema, position: positionSchema });

/**
 * What this host must not forget: the highest epoch it has seen (the fence, on disk before anything of that epoch
 * is done) and a lower bound of its position. The position is for people and for health; catch-up never trusts it.
 */
export class PositionStore {
  readonly #path: string;
  #highestEpoch: Epoch = 0;
  /** The highest that is surely on disk. */
  #storedEpoch: Epoch = 0;
  #position: Position = { epoch: 0, sequence: 0 };
  #stored = '';

  /** @throws HoldfastError ROOT_UNUSABLE when the file is there but cannot be read: guessing 0 would drop the fence */
  constructor(stateRoot: string) {
    this.#path = join(stateRoot, 'position.json');
    let content: string;
    try {
      content = readFileSync(this.#path, 'utf8');
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return;
      throw new HoldfastError('ROOT_UNUSABLE', `${this.#path} cannot be read`, { cause });
    }
    try {
      const { highestEpoch, position } = storedSchema.parse(JSON.parse(content));
      this.#highestEpoch = highestEpoch;
      this.#storedEpoch = highestEpoch;
      this.#position = position;
      this.#stored = content;
    } catch (cause) {
      throw new HoldfastError('ROOT_UNUSABLE', `${this.#path} is damaged`, { cause });
    }
  }

  get highestEpoch(): Epoch {
    return this.#highestEpoch;
  }

  get position(): Position {
    return this.#position;
  }

  /**
   * Durable on return.
   * @throws HoldfastError EPOCH_STALE when a higher one was seen
   */
  enterEpoch(epoch: Epoch): void {
    if (epoch < this.#highestEpoch) {
      throw new HoldfastError(
        'EPOCH_STALE',
        `epoch ${epoch} is over: this host has seen ${this.#highestEpoch}`,
      );
    }
    if (epoch === this.#storedEpoch) return;
    this.#highestEpoch = epoch;
    this.save();
  }

  /** Remembered at once, on disk with the next `save`. */
  advance(position: Position): void {
    this.#position = position;
  }

  save(): void {
    const content = `${JSON.stringify({ highestEpoch: this.#highestEpoch, position: this.#position })}\n`;
    if (content === this.#stored) return;
    writeDurably(this.#path, content, 0o600);
    this.#stored = content;
    this.#storedEpoch = this.#highestEpoch;
  }
}
