import { Command } from 'commander';
import { HoldfastError } from '#contracts/errors.ts';

/** Argon2id with the parameters of OWASP's password storage cheat sheet (19 MiB, 2 passes, 1 lane). */
const argon2id = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

export function passwordCommand(): Command {
  return new Command('password')
    .description('read a password from standard input and print its hash for users.yaml')
    .action(async () => {
      const { hash } = await import('@node-rs/argon2');
      const password = await readPassword();
      process.stdout.write(`${await hash(password, argon2id)}\n`);
    });
}

async function readPassword(): Promise<string> {
  if (process.stdin.isTTY) process.stderr.write('Password (it is shown as you type): ');
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) {
    chunks.push(chunk);
    if (process.stdin.isTTY) break;
  }
  const password = Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/, '');
  if (password === '') throw new HoldfastError('CONFIG_INVALID', 'no password came on standard input');
  return password;
}
