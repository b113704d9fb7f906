import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { waitFor } from './wait.ts';

/**
 * strace on a running process, its threads and its children: what they sync. Each call is held up a moment after it was
 * made, so that who does not wait for its end is found out.
 */
export class SyncWatch implements AsyncDisposable {
  readonly #strace: ChildProcess;
  readonly #log: string;

  static async on(pid: number, log: string): Promise<SyncWatch> {
    const calls = 'fsync,fdatasync,syncfs';
    const strace = spawn(
      'strace',
      [
        ...['-f', '-y', '-p', String(pid), '-o', log],
        ...['-e', `trace=${calls}`, '-e', `inject=${calls}:delay_exit=30000`],
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let said = '';
    strace.stderr.on('data', (chunk) => {
      said += chunk;
    });
    await waitFor('strace to attach', () => said.includes('attached') || strace.exitCode !== null);
    if (strace.exitCode !== null) throw new Error(`strace did not attach: ${said}`);
    return new SyncWatch(strace, log);
  }

  private constructor(strace: ChildProcess, log: string) {
    this.#strace = strace;
    this.#log = log;
  }

  /** The calls that have succeeded: `fsync(/path)`. */
  get done(): string[] {
    const begun = new Map<string, string>();
    const calls: string[] = [];
    for (const line of readFileSync(this.#log, 'utf8').split('\n')) {
      const [, thread = '', text = ''] = /^(\d+)\s+(.*)$/.exec(line) ?? [];
      const call = /^(\w+)\(\d+<([^>]*)>/.exec(text);
      if (call !== null) begun.set(thread, `${call[1]}(${call[2]})`);
      if (/\)\s+= 0/.test(text)) calls.push(begun.get(thread) ?? text);
    }
    return calls;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#strace, 'exit');
    if (this.#strace.exitCode === null && this.#strace.kill('SIGTERM')) await ended;
    rmSync(this.#log, { force: true });
  }
}
