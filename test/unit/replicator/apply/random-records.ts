import type { LogRecord } from '../../../../replicator/core/record.ts';
import type { Random } from '../../../sim/timeline.ts';
import { record } from './engine.ts';

const names = ['a', 'b', 'c', '\xe9\xff'];

/** Records on few names, so that they meet; many of them are impossible. */
export class RandomRecords {
  readonly #random: Random;
  readonly open = new Set<number>();
  #lastHandle = 0;
  #timeUs = 1_700_000_000_000_000;

  constructor(random: Random) {
    this.#random = random;
  }

  path(): string {
    const random = this.#random;
    const depth = 1 + Math.floor(random.next() ** 2 * 3);
    return Array.from({ length: depth }, () => random.pick(names)).join('/');
  }

  handle(): number {
    return this.#random.pick([...this.open, this.#lastHandle + 1]);
  }

  times(): { accessedAtUs: number; modifiedAtUs: number } {
    this.#timeUs += Math.floor(this.#random.next() * 5_000_000);
    return { accessedAtUs: this.#timeUs, modifiedAtUs: this.#timeUs + 1 };
  }

  mode(): number {
    return this.#random.pick([0o644, 0o600, 0o755, 0o444, 0o777]);
  }

  /** What changes the content sets the times too, as the engine logs them: the kernel's differ from host to host. */
  next(): LogRecord[] {
    const random = this.#random;
    const pick = random.next();
    if (pick < 0.18) {
      this.#lastHandle += 1;
      return [
        record.open(this.#lastHandle, this.path(), {
          created: random.chance(0.8),
          truncate: random.chance(0.3),
          mode: this.mode(),
        }),
      ];
    }
    if (pick < 0.35) {
      const handle = this.handle();
      const write = record.write(handle, Math.floor(random.next() * 100), 1 + Math.floor(random.next() * 50));
      return [write, record.setHandle(handle, this.times())];
    }
    if (pick < 0.4)
      return [
        record.setHandle(this.handle(), {
          size: Math.floor(random.next() * 80),
          mode: this.mode(),
          ...this.times(),
        }),
      ];
    if (pick < 0.48) {
      const handle = this.handle();
      return [record.setHandle(handle, this.times()), record.close(handle)];
    }
    if (pick < 0.58) return [record.mkdir(this.path(), this.mode() | 0o700)];
    if (pick < 0.64) return [record.rmdir(this.path())];
    if (pick < 0.78) return [record.rename(this.path(), this.path())];
    if (pick < 0.84) return [record.remove(this.path())];
    if (pick < 0.9) return [record.link(this.path(), this.path())];
    if (pick < 0.95) return [record.symlink(this.path(), random.pick(['a', '/b/../c', 'nowhere']))];
    return [
      record.set(this.path(), {
        ...(random.chance(0.3) && { size: Math.floor(random.next() * 90) }),
        ...this.times(),
      }),
    ];
  }

  /** Keeps up with what was made of it. */
  made(done: LogRecord): void {
    if (done.kind === 'open') this.open.add(done.handle);
    if (done.kind === 'close') this.open.delete(done.handle);
  }

  /** The times of what is still open, and its close. */
  end(): LogRecord[] {
    const records = [...this.open].flatMap((handle) => [
      record.setHandle(handle, this.times()),
      record.close(handle),
    ]);
    this.open.clear();
    return records;
  }
}
