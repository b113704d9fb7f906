import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa, type Message as IpcMessage } from 'execa';
import type * as z from 'zod';
import { messageOf } from '#contracts/errors.ts';
import type { Logger } from '#contracts/log.ts';
import type { Config } from '../../config/schema.ts';
import { commandPath } from './command.ts';

export type ChildProgram = 'sftp-node' | 'replicator';

/** The program of a child process: its bundle beside ours, or its source when we run from source. */
export function childProgram(name: ChildProgram): string {
  const bundle = fileURLToPath(new URL(`./${name}.js`, import.meta.url));
  return existsSync(bundle) ? bundle : fileURLToPath(new URL(`../../../${name}/main.ts`, import.meta.url));
}

export interface ChildExit {
  /** `exit code 1`, `signal SIGKILL`, or why it could not be started. */
  readonly how: string;
}

export interface ChildOptions<Schema extends z.ZodType> {
  readonly name: ChildProgram;
  readonly compileCache: string;
  readonly schema: Schema;
  readonly onMessage: (message: z.infer<Schema>) => void;
  readonly onExit: (exit: ChildExit) => void;
  readonly log: Logger;
}

function spawn(name: ChildProgram, compileCache: string) {
  const [file, ...args] = withoutNetworkCapabilities([process.execPath, childProgram(name)]);
  return execa(String(file), args, {
    ipc: true,
    serialization: 'json',
    buffer: false,
    stdin: 'ignore',
    stdout: 'inherit',
    stderr: 'inherit',
    reject: false,
    cleanup: true,
    forceKillAfterDelay: false,
    // The pool of libuv carries the flushes and reads of the storage engine: of them many wait for a disk at a time.
    env: { NODE_COMPILE_CACHE: compileCache, UV_THREADPOOL_SIZE: '16' },
  });
}

/**
 * A process of ours, which exits when its IPC channel closes. Its log lines go to our stdout and stderr. It is not
 * restarted here: its owner decides what happens next.
 */
export class Child<Schema extends z.ZodType> {
  readonly #process: ReturnType<typeof spawn>;

  constructor(options: ChildOptions<Schema>) {
    this.#process = spawn(options.name, options.compileCache);
    void this.#receive(options);
    void this.#waitForExit(options.onExit);
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** A message to a child that is already gone is lost, as it would be in its queue: its exit is what counts. */
  send(message: IpcMessage<'json'>): void {
    this.#process.sendMessage(message).catch(() => {});
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }

  async #receive({ name, schema, onMessage, log }: ChildOptions<Schema>): Promise<void> {
    try {
      for await (const raw of this.#process.getEachMessage()) {
        const parsed = schema.safeParse(raw);
        if (parsed.success) onMessage(parsed.data);
        else
          log.error(
            { code: 'INTERNAL', child: name, problem: parsed.error.message },
            'a child sent a message that no schema knows',
          );
      }
    } catch (error) {
      log.debug({ child: name, reason: messageOf(error) }, 'the channel to a child ended');
    }
  }

  async #waitForExit(onExit: (exit: ChildExit) => void): Promise<void> {
    const { signal, exitCode, originalMessage } = await this.#process;
    const how =
      signal !== undefined
        ? `signal ${signal}`
        : exitCode !== undefined
          ? `exit code ${exitCode}`
          : originalMessage;
    onExit({ how: how ?? 'unknown' });
  }
}

/**
 * Loads the program of a child once and lets it go, so that its compiled code is in the cache before it is needed: the
 * first start of an SFTP node on a host is part of a failover as well. Without an IPC channel the program only loads.
 */
export function warmUp(name: ChildProgram, config: Config): void {
  execa(process.execPath, [childProgram(name)], {
    reject: false,
    stdio: 'ignore',
    timeout: 20_000,
    env: { NODE_COMPILE_CACHE: compileCacheOf(config) },
  }).catch(() => {});
}

/** Compiled code is kept between starts. */
export function compileCacheOf(config: Config): string {
  const folder = join(config.paths.state, 'compile-cache');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

/**
 * The children parse hostile input and need no power over the network: they keep the capability to bind a low port
 * and lose those that move addresses. Root (the lab) has no ambient capabilities to give up.
 */
export function withoutNetworkCapabilities(command: readonly string[]): readonly string[] {
  if (process.getuid?.() === 0) return command;
  const drop = '-net_admin,-net_raw';
  return [commandPath('setpriv'), `--ambient-caps=${drop}`, `--inh-caps=${drop}`, '--', ...command];
}
