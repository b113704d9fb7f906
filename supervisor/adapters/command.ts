import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { HoldfastError } from '#contracts/errors.ts';

/** Where Debian puts what we run. The PATH of whoever started us has no say. */
const commandFolders = ['/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** The Debian package of each command that we run. */
const packages = {
  ip: 'iproute2',
  arping: 'iputils-arping',
  ndisc6: 'ndisc6',
  ndptool: 'libndp-tools',
  setpriv: 'util-linux',
  timeout: 'coreutils',
  'systemd-notify': 'systemd',
} as const;

export type CommandName = keyof typeof packages;

const found = new Map<CommandName, string>();

/** Absolute path of a command. @throws HoldfastError COMMAND_MISSING naming the package */
export function commandPath(name: CommandName): string {
  const known = found.get(name);
  if (known !== undefined) return known;
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
}

export interface CommandResult {
  readonly exitCode: number | undefined;
  readonly timedOut: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a command by its absolute path with an argument vector, never a shell; kills it after `timeoutMs`. A non-zero
 * exit is a result, not an error.
 * @throws HoldfastError COMMAND_MISSING
 */
export async function runCommand(
  name: CommandName,
  args: readonly string[],
  { timeoutMs, input = '', env = {} }: CommandOptions,
): Promise<CommandResult> {
  const result = await execa(commandPath(name), [...args], {
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
    reject: false,
    input,
    extendEnv: false,
    env: { ...env, LC_ALL: 'C' },
    maxBuffer: 4 * 1024 * 1024,
  });
  const { exitCode, timedOut, stdout, stderr } = result;
  return { exitCode, timedOut, stdout: String(stdout), stderr: String(stderr) };
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
