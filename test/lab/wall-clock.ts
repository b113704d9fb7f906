import { globSync, writeFileSync } from 'node:fs';

/**
 * A wall clock that can be stepped, for processes that were started with `env`: Debian's libfaketime. Boot time and
 * monotonic time stay what they are, as when an administrator or an NTP client sets the clock.
 */
export class WallClock {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
    this.step(0);
  }

  get env(): Record<string, string> {
    const [library] = globSync('/usr/lib/*/faketime/libfaketimeMT.so.1');
    if (library === undefined) throw new Error('libfaketime is missing: apt-get install faketime');
    return {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: '1',
      DONT_FAKE_MONOTONIC: '1',
    };
  }

  /** Sets it so far off the machine's. */
  step(seconds: number): void {
    writeFileSync(this.#file, `${seconds < 0 ? '' : '+'}${seconds}\n`);
  }
}
