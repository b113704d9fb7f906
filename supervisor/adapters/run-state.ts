import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import type { RunMemory, RunState } from '../ports.ts';

const memorySchema = z.object({
  leaseId: z
    .string()
    .regex(/^-?\d{1,20}$/)
    .nullable(),
  sftpNode: z.object({ pid: z.int().positive(), startTicks: z.string() }).nullable(),
});

const nothing: RunMemory = { leaseId: null, sftpNode: null };

/** A file of the run folder (0600), which a reboot empties as it ends everything that the file names. */
export class FileRunState implements RunState {
  readonly #file: string;

  constructor(runFolder: string) {
    this.#file = join(runFolder, 'running.json');
  }

  remember(part: Partial<RunMemory>): void {
    const memory = { ...this.recall(), ...part };
    const staged = `${this.#file}.new`;
    // Not synced: what a crash of the whole host would lose, a reboot ends anyway.
    writeFileSync(staged, JSON.stringify(memory), { mode: 0o600 });
    renameSync(staged, this.#file);
  }

  recall(): RunMemory {
    try {
      return memorySchema.parse(JSON.parse(readFileSync(this.#file, 'utf8')));
    } catch {
      return nothing;
    }
  }

  forget(): void {
    rmSync(this.#file, { force: true });
  }
}
