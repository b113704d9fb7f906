import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { type ErrorCode, HoldfastError } from '#contracts/errors.ts';
import {
  type CommandName,
  type CommandOptions,
  type CommandResult,
  endGraceMs,
  runCommand,
} from './command.ts';

/** To and from the thread. */
export interface CommandRequest {
  readonly id: number;
  readonly name: CommandName;
  readonly args: readonly string[];
  readonly options: CommandOptions;
}
export type CommandAnswer =
  | { readonly id: number; readonly result: CommandResult }
  | { readonly id: number; readonly error: { readonly code: ErrorCode; readonly message: string } };

interface Waiting {
  resolve(result: CommandResult): void;
  reject(error: Error): void;
  /** The thread is gone. */
  runHere(): void;
}

/** How much longer than the command's own time its answer may take: the thread may have been started this instant. */
const threadLatenessMs = 2000;

let thread: Worker | null = null;
const waiting = new Map<number, Waiting>();
let requests = 0;

/**
 * Starts the thread that `runAside` uses. Starting a process holds up the thread that does it until the kernel has
 * loaded the program: 5 to 10 ms on a busy host, in which the supervisor's loop decides nothing.
 */
export function startCommandThread(): void {
  const bundle = fileURLToPath(new URL('./command-thread.js', import.meta.url));
  const source = fileURLToPath(new URL('./command-thread-main.ts', import.meta.url));
  thread = new Worker(existsSync(bundle) ? bundle : source);
  thread.on('message', receive);
  thread.on('error', () => {});
  thread.on('exit', () => {
    thread = null;
    for (const { runHere } of [...waiting.values()]) runHere();
    waiting.clear();
  });
  // After the listeners, which would hold it.
  thread.unref();
}

/**
 * As `runCommand`, without holding up the loop. For what leaves nothing behind when this process dies: whether it is
 * ended then is not certain.
 * @throws HoldfastError COMMAND_MISSING
 */
export function runAside(
  name: CommandName,
  args: readonly string[],
  options: CommandOptions,
): Promise<CommandResult> {
  const here = () => runCommand(name, args, options);
  if (thread === null) return here();
  const request: CommandRequest = { id: ++requests, name, args, options };
  const answer = new Promise<CommandResult>((resolve, reject) => {
    const runHere = () => void here().then(resolve, reject);
    waiting.set(request.id, { resolve, reject, runHere });
  });
  // A thread that starts a program from a disk that stands still stands still itself.
  const limitMs = options.timeoutMs + 2 * endGraceMs + threadLatenessMs;
  const overdue = setTimeout(() => {
    const what = `"${name}" could not be started, or watched, within ${limitMs} ms`;
    waiting.get(request.id)?.reject(new HoldfastError('COMMAND_TIMEOUT', what));
    waiting.delete(request.id);
  }, limitMs);
  const callOff = () => clearTimeout(overdue);
  answer.then(callOff, callOff);
  thread.postMessage(request);
  return answer;
}

function receive(answer: CommandAnswer): void {
  const one = waiting.get(answer.id);
  waiting.delete(answer.id);
  if ('result' in answer) one?.resolve(answer.result);
  else one?.reject(new HoldfastError(answer.error.code, answer.error.message));
}
