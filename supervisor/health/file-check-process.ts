import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import * as z from 'zod';
import { withoutNetworkCapabilities } from '../adapters/process/child.ts';
import type { HealthFact } from '../runtime/ports.ts';
import { overdueFact, pendingFacts } from './check.ts';
import { afterParts } from './check-loop.ts';
import { type FileCheckPlan, fileChecks } from './file-checks.ts';

const factsSchema = z.array(
  z.object({ name: z.string(), level: z.enum(['ok', 'warn', 'bad']), code: z.string(), detail: z.string() }),
);

const restartAfterMs = 1000;

/** Null: it is not a line as that process writes it. */
export function factsIn(line: string): HealthFact[] | null {
  try {
    return factsSchema.parse(JSON.parse(line));
  } catch {
    return null;
  }
}

/** The program: its bundle beside ours, or its source when we run from source. */
function program(): string {
  const bundle = fileURLToPath(new URL('./file-checks.js', import.meta.url));
  return existsSync(bundle) ? bundle : fileURLToPath(new URL('./file-checks-main.ts', import.meta.url));
}

/** What the process that looks at disks tells. One that says nothing for a while is overdue as a whole. */
export class FileCheckProcess {
  readonly #plan: FileCheckPlan;
  readonly #onLooked: () => void;
  #facts: readonly HealthFact[];
  #callOffOverdue: () => void = () => {};

  constructor(plan: FileCheckPlan, onLooked: () => void) {
    this.#plan = plan;
    this.#onLooked = onLooked;
    this.#facts = fileChecks(plan, () => 0).flatMap(pendingFacts);
  }

  get facts(): readonly HealthFact[] {
    return this.#facts;
  }

  /** It is started again whenever it ends. */
  async run(signal: AbortSignal): Promise<void> {
    this.#waitForWord();
    while (!signal.aborted) {
      await this.#runOnce(signal);
      await delay(restartAfterMs, undefined, { signal }).catch(() => {});
    }
    this.#callOffOverdue();
  }

  async #runOnce(signal: AbortSignal): Promise<void> {
    const [file, ...args] = withoutNetworkCapabilities([process.execPath, program()]);
    // A thread for each that may hang, and some for those that do not.
    const threads = fileChecks(this.#plan, () => 0).length + 4;
    const child = execa(String(file), args, {
      env: { UV_THREADPOOL_SIZE: String(threads) },
      stdin: 'pipe',
      stdout: 'pipe',
      stderr: 'inherit',
      buffer: false,
      reject: false,
    });
    const end = () => child.kill('SIGKILL');
    signal.addEventListener('abort', end);
    child.stdin.on('error', () => {});
    child.stdin.write(`${JSON.stringify(this.#plan)}\n`);
    const lines = createInterface({ input: child.stdout });
    lines.on('line', (line) => {
      if (!this.#receive(line)) end();
    });
    await Promise.race([child, aborted(signal)]);
    signal.removeEventListener('abort', end);
    lines.close();
    // One that a disk holds does not end, and must not keep this process here.
    child.nodeChildProcess.unref();
    child.stdin.destroy();
    child.stdout.destroy();
  }

  /** @returns whether it can be read; the last line of a process that was killed may be half of one */
  #receive(line: string): boolean {
    const facts = factsIn(line);
    if (facts === null) return false;
    this.#facts = facts;
    this.#waitForWord();
    this.#onLooked();
    return true;
  }

  #waitForWord(): void {
    this.#callOffOverdue();
    this.#callOffOverdue = afterParts(() => {
      this.#facts = [overdueFact({ name: 'file systems' })];
      this.#onLooked();
    });
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
