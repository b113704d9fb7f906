import { type FSWatcher, statSync, watch } from 'node:fs';
import { join } from 'node:path';
import type { ParsedKey } from 'ssh2';
import { isMissing, readInForce, sentenceOf } from '#contracts/config-root/last-good.ts';
import { usersFile } from '#contracts/config-root/names.ts';
import { readUsersFile, type UsersFile } from '#contracts/config-root/users-file.ts';
import { codeOf, messageOf } from '#contracts/errors.ts';
import type { Logger } from '#contracts/log.ts';

/** A user as the node works with it. */
export interface Account {
  readonly name: string;
  readonly home: string;
  readonly keys: readonly ParsedKey[];
  readonly passwordHash: string | null;
  /** May sign with SHA-1. */
  readonly legacySha1: boolean;
}

const pollMs = 2000;
/** A file written in place is empty, then half there: it is read when it has stood still for so long. */
const settledMs = 100;
/** So many of those who are left out are named one by one in the log. */
const namedAtMost = 20;

/**
 * The users of `users.yaml`, read again when it changes. A file that is invalid, cannot be read or is gone changes
 * nothing: the users read before stay, and at a start the last good ones are taken (G7).
 */
export class Users {
  readonly #file: string;
  readonly #log: Logger;
  /** Told when the file was read again. */
  onChange: () => void = () => {};
  #accounts: ReadonlyMap<string, Account> = new Map();
  #anyLegacySha1 = false;
  #stamp = '';
  /** The last complaint, which is not repeated at each look. */
  #told = '';
  #watcher: FSWatcher | null = null;
  #poll: NodeJS.Timeout | null = null;
  #settling: NodeJS.Timeout | null = null;

  constructor(configRoot: string, log: Logger) {
    this.#file = join(configRoot, usersFile);
    this.#log = log;
    this.#stamp = stampOf(this.#file);
    this.#readAtStart(configRoot);
    // A watch may be lost, and the file is replaced rather than written: the folder is watched, and looked at.
    this.#watcher = watch(configRoot, () => this.#lookSoon());
    this.#watcher.on('error', () => {});
    this.#poll = setInterval(() => this.#lookSoon(), pollMs);
    this.#poll.unref();
  }

  #readAtStart(configRoot: string): void {
    const { value, problem } = readInForce(configRoot, usersFile, readUsersFile);
    if (value !== null) this.#use(value);
    if (problem === null) return;
    if (value === null && isMissing(problem)) {
      this.#log.warn({ file: this.#file }, 'there is no users.yaml: nobody can log in');
    } else this.#log.error({ code: problem.code }, sentenceOf(problem, value !== null));
  }

  find(name: string): Account | undefined {
    return this.#accounts.get(name);
  }

  /** Whether some user may sign with SHA-1. */
  get anyLegacySha1(): boolean {
    return this.#anyLegacySha1;
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
      this.#use(readUsersFile(this.#file));
    } catch (error) {
      const sentence = `${messageOf(error)}; the users read before stay in force`;
      if (sentence !== this.#told) this.#log.error({ code: codeOf(error) }, sentence);
      this.#told = sentence;
      // What could not be read may be readable at the next look, with nothing changed.
      if (codeOf(error) === 'USERS_UNREADABLE') this.#stamp = '';
      return;
    }
    this.#told = '';
    this.#log.info({ users: this.#accounts.size }, 'users.yaml was read again');
    this.onChange();
  }

  #use(file: UsersFile): void {
    this.#accounts = accountsOf(file);
    this.#anyLegacySha1 = [...this.#accounts.values()].some(({ legacySha1 }) => legacySha1);
    const code = 'USER_LEFT_OUT';
    for (const { user, sentence } of file.leftOut.slice(0, namedAtMost)) {
      this.#log.error({ code, user }, sentence);
    }
    const more = file.leftOut.length - namedAtMost;
    if (more > 0) this.#log.error({ code }, `${more} more entries of users.yaml are not in force`);
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

/** Disabled users are none. */
export function accountsOf({ entries }: UsersFile): Map<string, Account> {
  return new Map(
    entries
      .filter(({ user }) => !user.disabled)
      .map(({ user: { name, home = name, passwordHash = null, legacySha1 }, keys }) => [
        name,
        { name, home, keys, passwordHash, legacySha1 },
      ]),
  );
}
