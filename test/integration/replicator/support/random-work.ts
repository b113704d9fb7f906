import { setTimeout } from 'node:timers/promises';
import type { Door } from './door.ts';

/** A generator with a seed: a failing run is repeated by its number. */
export function seededRandom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** Random operations on the leader's tree, valid by construction. */
export class RandomWork {
  readonly #node: Door;
  readonly #random: (below: number) => number;
  readonly #files = new Set<string>();
  readonly #directories = new Set<string>(['']);
  readonly #handles = new Map<number, string>();
  #next = 1;

  constructor(node: Door, random: (below: number) => number) {
    this.#node = node;
    this.#random = random;
  }

  async run(operations: number): Promise<void> {
    for (let count = 0; count < operations; count++) {
      this.#step();
      // A client waits for some of its answers.
      await this.#node.until(() => this.#node.asked - this.#node.answered < 50);
    }
  }

  /** Works at a pace that leaves the others time to run, until something is so. */
  async runUntil(done: () => boolean): Promise<void> {
    while (!done()) {
      await this.run(20);
      await setTimeout(5);
    }
  }

  async finish(): Promise<void> {
    for (const handle of [...this.#handles.keys()]) this.#close(handle);
    await this.#node.settled();
  }

  #step(): void {
    const node = this.#node;
    const file = this.#pick([...this.#files]);
    const handle = this.#pick([...this.#handles.keys()]);
    switch (this.#random(14)) {
      case 0:
      case 1:
        this.#create();
        return;
      case 2:
      case 3:
      case 4:
      case 5:
        if (handle !== undefined) node.write(handle, this.#random(200_000), this.#bytes());
        return;
      case 6:
        if (handle !== undefined) this.#close(handle);
        return;
      case 7:
        if (file !== undefined) this.#rename(file);
        return;
      case 8:
        if (file === undefined || this.#random(2) === 0) return;
        node.remove(file);
        this.#files.delete(file);
        return;
      case 9:
        this.#makeDirectory();
        return;
      case 10:
        this.#renameDirectory();
        return;
      case 11:
        if (file !== undefined) node.setAttributes(file, { mode: 0o600 + this.#random(64) });
        return;
      case 12:
        if (handle !== undefined) node.truncate(handle, this.#random(100_000));
        return;
      case 13:
        if (file === undefined || this.#handles.size > 8) return;
        this.#handles.set(node.openExisting(file), file);
        return;
    }
  }

  #create(): void {
    if (this.#handles.size > 8) return;
    const path = this.#newName();
    const handle = this.#node.create(path);
    this.#files.add(path);
    this.#handles.set(handle, path);
    this.#node.write(handle, 0, this.#bytes());
  }

  #close(handle: number): void {
    this.#node.closeFile(handle);
    this.#handles.delete(handle);
  }

  #rename(from: string): void {
    const over = this.#pick([...this.#files]);
    const to = this.#random(3) === 0 && over !== undefined && over !== from ? over : this.#newName();
    this.#node.rename(from, to);
    this.#files.delete(from);
    this.#files.add(to);
  }

  #makeDirectory(): void {
    const path = this.#newName();
    if (path.split('/').length > 4) return;
    this.#node.mkdir(path);
    this.#directories.add(path);
  }

  #renameDirectory(): void {
    const from = this.#pick([...this.#directories].filter((path) => path !== ''));
    const parent = this.#pick(
      [...this.#directories].filter((path) => path !== from && !path.startsWith(`${from}/`)),
    );
    if (from === undefined || parent === undefined) return;
    const to = `${parent === '' ? '' : `${parent}/`}d${this.#next++}`;
    this.#node.rename(from, to);
    for (const set of [this.#files, this.#directories]) {
      for (const path of [...set]) {
        if (path !== from && !path.startsWith(`${from}/`)) continue;
        set.delete(path);
        set.add(to + path.slice(from.length));
      }
    }
  }

  #newName(): string {
    const directory = this.#pick([...this.#directories]) ?? '';
    return `${directory === '' ? '' : `${directory}/`}n${this.#next++}`;
  }

  #bytes(): Buffer {
    const bytes = Buffer.alloc(1 + this.#random(30_000));
    bytes.fill(this.#random(256)).writeUInt8(this.#random(256), 0);
    return bytes;
  }

  #pick<Item>(items: readonly Item[]): Item | undefined {
    return items.length === 0 ? undefined : items[this.#random(items.length)];
  }
}
