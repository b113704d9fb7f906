import { join } from 'node:path';
import { execa } from 'execa';
import type { Server } from './servers.ts';

export const sshOptions = (home: string, cipher: string | null): string[] => {
  const options = ['IdentitiesOnly=yes', 'BatchMode=yes', 'StrictHostKeyChecking=no', 'LogLevel=ERROR'];
  options.push('UserKnownHostsFile=/dev/null');
  if (cipher !== null) options.push(`Ciphers=${cipher}`);
  return ['-F', '/dev/null', '-i', join(home, 'key'), ...options.flatMap((option) => ['-o', option])];
};

/** One OpenSSH sftp client with a batch of commands; milliseconds. */
export async function sftp(
  { ports }: Server,
  commands: readonly string[],
  options: { home: string; cipher: string | null; client?: number; signal?: AbortSignal },
): Promise<number> {
  const { home, cipher, client = 0, signal } = options;
  const args = [...sshOptions(home, cipher), '-P', String(ports[client % ports.length]), '-b', '-'];
  const startedMs = performance.now();
  await execa('sftp', ['-q', ...args, 'root@127.0.0.1'], {
    input: `${commands.join('\n')}\n`,
    ...(signal === undefined ? {} : { cancelSignal: signal, reject: false }),
  });
  return performance.now() - startedMs;
}
