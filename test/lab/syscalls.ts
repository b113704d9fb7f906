import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { waitFor } from './wait.ts';

/** strace on a running process and its threads: what it syncs of one file fails with EIO, as on a disk that goes bad. */
export class FailingFlush implements AsyncDisposable {
  readonly #strace: ChildProcess;

  /** @param path the file must be there */
  static async on(pid: number, path: string): Promise<FailingFlush> {
    const calls = 'fsync,fdatasync';
    const strace = await attach([
      ...['-f', '-p', String(pid), '-P', path, '-o', '/dev/null'],
      ...['-e', `trace=${calls}`, '-e', `inject=${calls}:error=EIO`],
    ]);
    return new FailingFlush(strace);
  }

  private constructor(strace: ChildProcess) {
    this.#strace = strace;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await detach(this.#strace);
  }
}

async function attach(args: readonly string[]): Promise<ChildProcess> {
  const strace = spawn('strace', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  strace.stderr.on('data', (chunk) => {
    said += chunk;
  });
  await waitFor('strace to attach', () => said.includes('attached') || strace.exitCode !== null);
  if (strace.exitCode !== null) throw new Error(`strace did not attach: ${said}`);
  return strace;
}

async function detach(strace: ChildProcess): Promise<void> {
  const ended = once(strace, 'exit');
  if (strace.exitCode === null && strace.kill('SIGTERM')) await ended;
}

/**
 * strace on a running process, its threads and its children: what they sync. Each call is held up a moment after it was
 * made, so that who does not wait for its end is found out.
 */
export class SyncWatch implements AsyncDisposable {
  readonly #strace: ChildProcess;
  readonly #log: string;

  static async on(pid: number, log: string): Promise<SyncWatch> {
    const calls = 'fsync,fdatasync,syncfs';
    const strace = await attach([
      ...['-f', '-y', '-p', String(pid), '-o', log],
      ...['-e', `trace=${calls}`, '-e', `inject=${calls}:delay_exit=30000`],
    ]);
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
    await detach(this.#strace);
    rmSync(this.#log, { force: true });
  }
}
