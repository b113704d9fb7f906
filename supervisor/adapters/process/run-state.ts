import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunMemory, RunSettings, RunState } from '../../runtime/ports.ts';
import { memoryOf } from './run-memory.ts';

const nothing: RunMemory = { leaseId: null, sftpNode: null, settings: null };

/** A file of the run folder (0600), which a reboot empties as it ends everything that the file names. */
export class FileRunState implements RunState {
  readonly #file: string;
  readonly #settings: RunSettings | null;

  /** @param settings written beside all that is remembered; null for one who only recalls */
  constructor(runFolder: string, settings: RunSettings | null = null) {
    this.#file = join(runFolder, 'running.json');
    this.#settings = settings;
  }

  remember(part: Partial<Omit<RunMemory, 'settings'>>): void {
    const { leaseId, sftpNode } = { ...this.recall(), ...part };
    const memory: RunMemory = { leaseId, sftpNode, settings: this.#settings };
    const staged = `${this.#file}.new`;
    // Not synced: what a crash of the whole host would lose, a reboot ends anyway.
    writeFileSync(staged, JSON.stringify(memory), { mode: 0o600 });
    renameSync(staged, this.#file);
  }

  /** A file that is missing, or not as `remember` writes it, is taken for none. */
  recall(): RunMemory {
    try {
      return memoryOf(JSON.parse(readFileSync(this.#file, 'utf8'))) ?? nothing;
    } catch {
      return nothing;
    }
  }

  forget(): void {
    rmSync(this.#file, { force: true });
  }
}
