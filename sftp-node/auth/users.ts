import { type FSWatcher, readFileSync, statSync, watch } from 'node:fs';
import { join } from 'node:path';
import ssh2, { type ParsedKey } from 'ssh2';
import { LineCounter, parseDocument } from 'yaml';
import { codeOf, HoldfastError, messageOf } from '#contracts/errors.ts';
import type { Logger } from '#contracts/log.ts';
import { type User, usersFileSchema } from '#contracts/users.ts';

/** A user as the node works with it. */
export interface Account {
  readonly name: string;
  readonly home: string;
  readonly keys: readonly ParsedKey[];
  readonly passwordHash: string | null;
  /** May sign with SHA-1. */
  readonly legacySha1: boolean;
}

const maxUsersFileBytes = 32 * 1024 * 1024;
const pollMs = 2000;
/** A file written in place is empty, then half there: it is read when it has stood still for so long. */
const settledMs = 100;

/**
 * The users of `users.yaml`, read again when it changes. A file that is invalid, cannot be read or is gone changes
 * nothing: the users read before stay (G7).
 */
export class Users {
  readonly #file: string;
  readonly #log: Logger;
  /** Told when the file was read again. */
  onChange: () => void = () => {};
  #accounts: ReadonlyMap<string, Account> = new Map();
  #anyLegacySha1 = false;
  #stamp = '';
  #watcher: FSWatcher | null = null;
  #poll: NodeJS.Timeout | null = null;
  #settling: NodeJS.Timeout | null = null;

  /** @throws HoldfastError USERS_UNREADABLE, USERS_INVALID when the file that is there at the start is no good */
  constructor(configRoot: string, log: Logger) {
    this.#file = join(configRoot, 'users.yaml');
    this.#log = log;
    this.#stamp = stampOf(this.#file);
    if (this.#stamp === missing) log.warn({ file: this.#file }, 'there is no users.yaml: nobody can log in');
    else this.#use(readAccounts(this.#file));
    // A watch may be lost, and the file is replaced rather than written: the folder is watched, and looked at.
    this.#watcher = watch(configRoot, () => this.#lookSoon());
    this.#watcher.on('error', () => {});
    this.#poll = setInterval(() => this.#lookSoon(), pollMs);
    this.#poll.unref();
  }

  find(name: string): Account | undefined {
    return this.#accounts.get(name);
  }

  /** Whether some user may sign with SHA-1. */
  get anyLegacySha1(): boolean {
    return this.#anyLegacySha1;
  }

  #use(accounts: ReadonlyMap<string, Account>): void {
    this.#accounts = accounts;
    this.#anyLegacySha1 = [...accounts.values()].some(({ legacySha1 }) => legacySha1);
  }

  /** Whether the file is still what was read last. */
  get isCurrent(): boolean {
    return stampOf(this.#file) === this.#stamp;
  }

  close(): void {
    this.#watcher?.close();
    if (this.#poll !== null) clearInterval(this.#poll);
    if (this.#settling !== null) clearTimeout(this.#settling);
  }

  #lookSoon(): void {
    const stamp = stampOf(this.#file);
    if (stamp === this.#stamp || this.#settling !== null) return;
    this.#settling = setTimeout(() => {
      this.#settling = null;
      if (stampOf(this.#file) === stamp) this.#read(stamp);
      else this.#lookSoon();
    }, settledMs);
    this.#settling.unref();
  }

  #read(stamp: string): void {
    this.#stamp = stamp;
    try {
      this.#use(readAccounts(this.#file));
    } catch (error) {
      this.#log.error({ code: codeOf(error) }, `${messageOf(error)}; the users read before stay in force`);
      return;
    }
    this.#log.info({ users: this.#accounts.size }, 'users.yaml was read again');
    this.onChange();
  }
}

const missing = 'missing';

/** Changes with content, owner and mode: a file that could not be read may be readable after a chown alone. */
function stampOf(file: string): string {
  try {
    const { ino, size, mtimeNs, ctimeNs } = statSync(file, { bigint: true });
    return `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
  } catch (error) {
    return codeOf(error) === 'ENOENT' ? missing : codeOf(error);
  }
}

/** @throws HoldfastError USERS_UNREADABLE, USERS_INVALID */
function readAccounts(file: string): Map<string, Account> {
  let text: string;
  try {
    if (statSync(file).size > maxUsersFileBytes)
      throw new HoldfastError('USERS_INVALID', `${file} is larger than 32 MiB`);
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    if (cause instanceof HoldfastError) throw cause;
    throw new HoldfastError('USERS_UNREADABLE', `${file} cannot be read: ${messageOf(cause)}`, { cause });
  }
  return parseAccounts(text, file);
}

/** @throws HoldfastError USERS_INVALID naming the first problem and its line */
export function parseAccounts(text: string, file: string): Map<string, Account> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const invalid = (offset: number, what: string) =>
    new HoldfastError('USERS_INVALID', `${file}:${lines.linePos(offset).line}: ${what}`);
  const [broken] = document.errors;
  if (broken !== undefined) throw invalid(broken.pos[0], broken.message);
  const parsed = usersFileSchema.safeParse(document.toJS({ maxAliasCount: 100 }) ?? {});
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw invalid(
      offsetOf(document, issue?.path ?? []),
      `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`,
    );
  }
  return new Map(
    parsed.data.users
      .map((user, index) => [user, index] as const)
      .filter(([user]) => !user.disabled)
      .map(([user, index]) => {
        const complain = (what: string) =>
          invalid(offsetOf(document, ['users', index]), `user ${user.name}: ${what}`);
        return [user.name, accountOf(user, complain)];
      }),
  );
}

function offsetOf(document: ReturnType<typeof parseDocument>, path: readonly PropertyKey[]): number {
  for (let length = path.length; length > 0; length--) {
    const node = document.getIn(path.slice(0, length), true);
    if (typeof node === 'object' && node !== null && 'range' in node) return (node.range as [number])[0];
  }
  return 0;
}

function accountOf(user: User, complain: (what: string) => HoldfastError): Account {
  const keys = user.publicKeys.map((line) => {
    const key = ssh2.utils.parseKey(line);
    if (key instanceof Error) throw complain(`a public key cannot be read: ${key.message}`);
    if (key.isPrivateKey()) throw complain('a private key stands where a public key belongs');
    return key;
  });
  const { name, home = name, passwordHash = null, legacySha1 } = user;
  return { name, home, keys, passwordHash, legacySha1 };
}
