import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';
import { commandPath } from './command.ts';

export interface ExecutableOptions {
  readonly timeoutMs: number;
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Ends it before its time. */
  readonly signal: AbortSignal;
}

export interface ExecutableResult {
  readonly ending: 'exit' | 'timeout' | 'flood' | 'stopped';
  /** Null when it was killed, by us or by somebody else. */
  readonly exitCode: number | null;
  /** The last line that it wrote to standard error, or else to standard output; shortened, without control characters. */
  readonly lastLine: string;
}

/** How much longer than its time it may live when this process is frozen and cannot kill it. */
export const executableLatenessMs = 200;

const maxOutputBytes = 1024 * 1024;
/** How long after its time one that was killed is waited for. */
const stuckAfterMs = 1000;
/** How long after the end of a group its output may still be read. */
const outputGraceMs = 100;

/**
 * Runs an executable that is not ours by its absolute path with an argument vector, never a shell, in a process group
 * of its own. The group is killed at the timeout, when it writes more than 1 MiB, when `signal` says so, and when the
 * executable has ended: what it leaves running could do later what is not wanted then. Never rejects for what the
 * executable does. `timeout` of coreutils runs it, and kills the group also while this process is frozen.
 * @throws HoldfastError COMMAND_MISSING
 */
export async function runExecutable(
  file: string,
  args: readonly string[],
  { timeoutMs, env, signal }: ExecutableOptions,
): Promise<ExecutableResult> {
  const seconds = ((timeoutMs + executableLatenessMs) / 1000).toFixed(3);
  const child = execa(commandPath('timeout'), ['--signal=KILL', seconds, file, ...args], {
    cwd: '/',
    env: { ...env },
    extendEnv: false,
    stdin: 'ignore',
    buffer: false,
    reject: false,
    detached: true,
  });
  let ending: ExecutableResult['ending'] = 'exit';
  const kill = (why: ExecutableResult['ending']) => {
    ending = why;
    killGroup(child.pid);
  };
  const stop = () => kill('stopped');
  const timer = setTimeout(() => kill('timeout'), timeoutMs);
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  const outputs = [new Output(child.stderr), new Output(child.stdout)];
  for (const output of outputs) output.onFlood = () => kill('flood');

  // The promise of execa waits for the output as well, which a process outside of the group may hold open for ever.
  const exited = new Promise<number | null>((resolve) => child.nodeChildProcess.once('exit', resolve));
  const notStarted = child.then((result) => result.exitCode ?? null);
  // One that waits for a disk or a file server that does not answer dies only when it does.
  const stuck = delay(timeoutMs + stuckAfterMs, null, { ref: false });
  const exitCode = await Promise.race([exited, notStarted, stuck]);
  clearTimeout(timer);
  signal.removeEventListener('abort', stop);
  killGroup(child.pid);
  await Promise.race([child, delay(outputGraceMs)]);
  for (const output of outputs) output.close();
  return { ending, exitCode, lastLine: outputs.map((output) => output.lastLine).find(Boolean) ?? '' };
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // All of it has ended.
  }
}

/** The end of what a process writes. */
class Output {
  onFlood: () => void = () => {};
  readonly #stream: Readable;
  #tail = Buffer.alloc(0);
  #bytes = 0;

  constructor(stream: Readable) {
    this.#stream = stream;
    stream.on('error', () => {});
    stream.on('data', (chunk: Buffer) => this.#collect(chunk));
  }

  #collect(chunk: Buffer): void {
    this.#tail = Buffer.concat([this.#tail, chunk.subarray(-4096)]).subarray(-4096);
    this.#bytes += chunk.length;
    if (this.#bytes <= maxOutputBytes) return;
    this.#stream.pause();
    this.onFlood();
  }

  /** The last whole line of one that was killed while it wrote; else what it wrote last, also without a line's end. */
  get lastLine(): string {
    const lines = this.#tail.toString('utf8').split('\n');
    if (this.#bytes > maxOutputBytes && lines.length > 1) lines.pop();
    const line = lines.findLast((text) => text.trim() !== '') ?? '';
    // What goes to terminals must not steer them.
    return line.trim().replaceAll(/\p{C}/gu, '?').slice(-300);
  }

  close(): void {
    this.#stream.destroy();
  }
}
