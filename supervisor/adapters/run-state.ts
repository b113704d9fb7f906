import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { RunState } from '../ports.ts';

/** The id of our lease in a file of the run folder (0600): a reboot empties it, as it ends the lease. */
export class FileRunState implements RunState {
  readonly #file: string;

  constructor(runFolder: string) {
    this.#file = join(runFolder, 'lease');
  }

  rememberLease(leaseId: string): void {
    const staged = `${this.#file}.new`;
    const file = openSync(staged, 'w', 0o600);
    writeSync(file, `${leaseId}\n`);
    fsyncSync(file);
    closeSync(file);
    renameSync(staged, this.#file);
  }

  rememberedLease(): string | null {
    try {
      const text = readFileSync(this.#file, 'utf8').trim();
      return /^-?\d{1,20}$/.test(text) ? text : null;
    } catch {
      return null;
    }
  }

  forgetLease(): void {
    rmSync(this.#file, { force: true });
  }
}
