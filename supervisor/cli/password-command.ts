import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { Command } from 'commander';
import { HoldfastError } from '#contracts/errors.ts';
import { printAnswer } from './output.ts';

/** Argon2id with the parameters of OWASP's password storage cheat sheet (19 MiB, 2 passes, 1 lane). */
const argon2id = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;
/** Longer than any password; keeps a wrong file from being read whole. */
const maxInputBytes = 4096;

export function passwordCommand(): Command {
  return new Command('password')
    .description('read a password from standard input and print its hash for users.yaml')
    .action(async ({ json }: { json?: boolean }) => {
      const password = process.stdin.isTTY ? await askForPassword() : await readPassword();
      if (password === '') {
        throw new HoldfastError('REQUEST_INVALID', 'no password came on standard input: give it as one line');
      }
      const { hash: makeHash } = await import('@node-rs/argon2');
      const hash = await makeHash(password, argon2id);
      printAnswer(json, { hash }, () => hash);
    });
}

/** Of a person, who does not see what is typed. Ctrl-D is no password. */
async function askForPassword(): Promise<string> {
  process.stderr.write('Password (it is not shown): ');
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  try {
    const ended = new Promise<string>((resolve) => {
      lines.once('close', () => resolve(''));
      lines.once('SIGINT', () => lines.close());
    });
    return await Promise.race([lines.question(''), ended]);
  } finally {
    lines.close();
    process.stderr.write('\n');
  }
}

async function readPassword(): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > maxInputBytes) throw new HoldfastError('REQUEST_INVALID', 'the password is too long');
  }
  const [line = '', ...more] = Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/, '')
    .split(/\r?\n/);
  if (more.length > 0)
    throw new HoldfastError('REQUEST_INVALID', 'more than one line came: a password is one');
  return line;
}
