import { type ChildProcess, execFile } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { HoldfastError } from '#contracts/errors.ts';
import { StuckCommands } from './stuck-commands.ts';

/** Where Debian puts what we run. PATH is not looked at. */
const commandFolders = ['/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** The Debian package of each command that we run. */
const packages = {
  ip: 'iproute2',
  arping: 'iputils-arping',
  ndisc6: 'ndisc6',
  ndptool: 'libndp-tools',
  setpriv: 'util-linux',
  timeout: 'coreutils',
  flock: 'util-linux',
  'systemd-notify': 'systemd',
  wdctl: 'util-linux',
} as const;

export type CommandName = keyof typeof packages;

const found = new Map<CommandName, string>();

/** Absolute path of a command. @throws HoldfastError COMMAND_MISSING naming the package */
export function commandPath(name: CommandName): string {
  return found.get(name) ?? findCommand(name);
}

/** As `commandPath`, and looks again: it may have been removed since. @throws HoldfastError COMMAND_MISSING */
export function findCommand(name: CommandName): string {
  found.delete(name);
  for (const folder of commandFolders) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
    } catch {
      continue;
    }
    found.set(name, path);
    return path;
  }
  throw new HoldfastError(
    'COMMAND_MISSING',
    `${name} is not installed: it is in the Debian package ${packages[name]}`,
  );
}

export interface CommandOptions {
  readonly timeoutMs: number;
  /** Written to standard input. */
  readonly input?: string;
  /** The whole environment, but for LC_ALL=C. */
  readonly env?: Record<string, string>;
  /** At `timeoutMs` it is asked to end (SIGINT) and may still say what it did, before it is killed. */
  readonly isInterrupted?: boolean;
  /**
   * Boot time after which it does nothing any more: the kernel ends it then, also when it or this process was frozen
   * (deadline-exec.c). It has timed out then.
   */
  readonly deadlineMs?: number;
}

export interface CommandResult {
  readonly exitCode: number | undefined;
  /** After `timeoutMs`, or at its deadline. */
  readonly timedOut: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** How long one that was told to end may take: what the kernel does not hold is gone within a few milliseconds. */
export const endGraceMs = 200;

const stuckCommands = new StuckCommands();
const running = new Set<ChildProcess>();
/** What we leave behind could put an address back on that the next one took off. */
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/**
 * Runs a command by its absolute path with an argument vector, never a shell; kills it after `timeoutMs`. A non-zero
 * exit is a result, not an error. By Node's own means: loading execa would take 35 ms of a release after a crash.
 * @throws HoldfastError COMMAND_MISSING
 */
export async function runCommand(
  name: CommandName,
  args: readonly string[],
  { env, ...options }: CommandOptions,
): Promise<CommandResult> {
  const hasDeadline = options.deadlineMs !== undefined;
  return new StartedCommand(name, args, { env, hasDeadline }).run(options);
}

const beside = fileURLToPath(new URL('./deadline-exec', import.meta.url));
const built = fileURLToPath(new URL('../../../dist/deadline-exec', import.meta.url));
/** Beside the bundles; for what runs from source, where the build puts it. */
export const deadlineExec = existsSync(beside) ? beside : built;
/** How it exits when the deadline was over before the command began. */
const tooLateExit = 124;

/** A command that was started and waits for its input: what takes long is done. It does not keep this process here. */
export class StartedCommand {
  readonly #name: CommandName;
  readonly #child: ChildProcess;
  readonly #result: Promise<CommandResult>;
  #timedOut = false;
  #hasEnded = false;

  /** `hasDeadline`: `run` will be given one. @throws HoldfastError COMMAND_MISSING, COMMAND_STUCK */
  constructor(
    name: CommandName,
    args: readonly string[],
    { env, hasDeadline = false }: { env?: Record<string, string> | undefined; hasDeadline?: boolean } = {},
  ) {
    stuckCommands.refuseMore(name);
    this.#name = name;
    const path = commandPath(name);
    const [file, argv] = hasDeadline ? [deadlineExec, [path, ...args]] : [path, args];
    const { promise, resolve } = Promise.withResolvers<CommandResult>();
    const options = { env: { ...env, LC_ALL: 'C' }, maxBuffer: 4 * 1024 * 1024 };
    this.#result = promise;
    this.#child = execFile(file, argv, options, (error, stdout, stderr) => {
      running.delete(this.#child);
      this.#hasEnded = true;
      const { code = undefined, message = '' } = error ?? { code: 0 };
      const exitCode = typeof code === 'number' ? code : undefined;
      const wasTooLate = hasDeadline && (exitCode === tooLateExit || error?.signal === 'SIGALRM');
      const timedOut = this.#timedOut || wasTooLate;
      // A command that could not be started has said nothing.
      resolve({ exitCode, timedOut, stdout, stderr: stderr === '' ? message : stderr });
    });
    running.add(this.#child);
    // It may end without having read all of its input.
    this.#child.stdin?.on('error', () => {});
    this.#eachPart((part) => part.unref());
  }

  /** False when it ended without having been given any. */
  get isWaiting(): boolean {
    return !this.#hasEnded;
  }

  /**
   * Gives it all of its input, and waits for its end: for `timeoutMs` and twice `endGraceMs` at most. One that the kernel
   * holds does not even end by SIGKILL; it is left to itself, and has timed out.
   */
  async run({
    timeoutMs,
    input = '',
    deadlineMs,
    isInterrupted = false,
  }: Omit<CommandOptions, 'env'>): Promise<CommandResult> {
    this.#eachPart((part) => part.ref());
    const timers: NodeJS.Timeout[] = [];
    const after = (ms: number, act: () => void) => timers.push(setTimeout(act, ms));
    after(timeoutMs, () => {
      this.#timedOut = true;
      this.#child.kill(isInterrupted ? 'SIGINT' : 'SIGKILL');
    });
    const killMs = timeoutMs + (isInterrupted ? endGraceMs : 0);
    if (isInterrupted) after(killMs, () => this.#child.kill('SIGKILL'));
    const { promise: stuck, resolve } = Promise.withResolvers<CommandResult>();
    after(killMs + endGraceMs, () => resolve(this.#leave()));
    this.#child.stdin?.end(deadlineMs === undefined ? input : `${Math.floor(deadlineMs)}\n${input}`);
    const result = await Promise.race([this.#result, stuck]);
    for (const timer of timers) clearTimeout(timer);
    return result;
  }

  /** It was killed and has not ended, or what it started holds its output open. */
  #leave(): CommandResult {
    const { stdout, stderr } = this.#child;
    stuckCommands.add(this.#name, this.#result);
    this.#eachPart((part) => part.unref());
    stdout?.destroy();
    stderr?.destroy();
    return { exitCode: undefined, timedOut: true, stdout: '', stderr: 'it was killed and does not end' };
  }

  #eachPart(act: (part: { ref(): unknown; unref(): unknown }) => void): void {
    const { stdin, stdout, stderr } = this.#child;
    for (const part of [this.#child, stdin, stdout, stderr]) if (part !== null) act(part as Socket);
  }
}

/** As `runCommand`; anything but exit 0 is an error. @throws HoldfastError COMMAND_FAILED, COMMAND_TIMEOUT */
export async function mustRun(
  name: CommandName,
  args: readonly string[],
  options: CommandOptions,
): Promise<string> {
  const result = await runCommand(name, args, options);
  const told = [name, ...args].join(' ');
  if (result.timedOut) {
    throw new HoldfastError('COMMAND_TIMEOUT', `"${told}" did not end within ${options.timeoutMs} ms`);
  }
  if (result.exitCode !== 0) {
    throw new HoldfastError(
      'COMMAND_FAILED',
      `"${told}" failed (${result.exitCode ?? 'killed'}): ${result.stderr.trim()}`,
    );
  }
  return result.stdout;
}
