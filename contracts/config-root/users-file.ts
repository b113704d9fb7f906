import { readFileSync, statSync } from 'node:fs';
import ssh2, { type ParsedKey } from 'ssh2';
import { type Document, LineCounter, parseDocument } from 'yaml';
import { HoldfastError, messageOf } from '../errors.ts';
import { type User, userSchema, usersFileSchema } from '../users.ts';

/** A user who is in force, with the keys that can be read. Disabled ones are among them. */
export interface UserEntry {
  readonly user: User;
  readonly keys: readonly ParsedKey[];
}

/** A user, or one credential of a user, that is not in force. */
export interface LeftOut {
  readonly user: string;
  /** Names file, line and user. */
  readonly sentence: string;
}

export interface UsersFile {
  readonly entries: readonly UserEntry[];
  readonly leftOut: readonly LeftOut[];
}

const maxUsersFileBytes = 32 * 1024 * 1024;
/** A YAML file may name a value once and repeat it; more repetitions than this are an attack or a mistake. */
const maxAliases = 100;

/** @throws HoldfastError USERS_UNREADABLE, USERS_INVALID */
export function readUsersFile(file: string): UsersFile {
  let text: string;
  try {
    if (statSync(file).size > maxUsersFileBytes)
      throw new HoldfastError('USERS_INVALID', `${file} is larger than 32 MiB`);
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    if (cause instanceof HoldfastError) throw cause;
    throw new HoldfastError('USERS_UNREADABLE', `${file} cannot be read: ${messageOf(cause)}`, { cause });
  }
  return parseUsersFile(text, file);
}

/**
 * The users of a file, and what of it is left out. An entry with a mistake concerns the user that it names alone; of
 * keys, only the one that cannot be read, as long as the user has another key or a password. A name that stands twice
 * leaves that user out: nobody can tell which of the entries is meant. Where an entry names nobody, it may be anybody
 * who was in force before: then, as when it is no YAML, the file is invalid as a whole.
 * @throws HoldfastError USERS_INVALID naming the first problem and its line
 */
export function parseUsersFile(text: string, file: string): UsersFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number) => `${file}:${lines.linePos(offset).line}`;
  const invalid = (offset: number, what: string) =>
    new HoldfastError('USERS_INVALID', `${at(offset)}: ${cut(what)}`);
  const [broken] = document.errors;
  if (broken !== undefined) throw invalid(broken.pos[0], broken.message);
  const users = usersIn(document, invalid);
  const names = users.map((entry, index) => {
    const name = nameOf(entry);
    if (name !== null) return name;
    throw invalid(offsetOf(document, ['users', index]), `users.${index}.name: ${problemOf(entry)}`);
  });
  const count = Map.groupBy(names, (name) => name);
  const entries: UserEntry[] = [];
  const leftOut: LeftOut[] = [];
  for (const [index, entry] of users.entries()) {
    const name = String(names[index]);
    const leaveOut = (path: readonly PropertyKey[], what: string) => {
      const where = at(offsetOf(document, ['users', index, ...path]));
      leftOut.push({ user: name, sentence: `${where}: user ${shown(name)} ${cut(what)}` });
    };
    if ((count.get(name)?.length ?? 0) > 1) {
      leaveOut(['name'], 'is left out: the name stands twice');
      continue;
    }
    const checked = checkUser(entry, leaveOut);
    if (checked !== null) entries.push(checked);
  }
  return { entries, leftOut };
}

function usersIn(document: Document, invalid: (offset: number, what: string) => HoldfastError): unknown[] {
  let tree: unknown;
  try {
    tree = document.toJS({ maxAliasCount: maxAliases });
  } catch (error) {
    throw invalid(0, messageOf(error));
  }
  // A file that was cut off: a full disk or an editor that died must not take everybody's access.
  if (tree === null) throw invalid(0, 'the file is empty; that there is nobody is written as `users: []`');
  const parsed = usersFileSchema.safeParse(tree);
  if (parsed.success) return parsed.data.users;
  const [issue] = parsed.error.issues;
  throw invalid(
    offsetOf(document, issue?.path ?? []),
    [issue?.path.join('.'), issue?.message].filter(Boolean).join(': '),
  );
}

/** Whom an entry is about; YAML reads `name: 4711` as a number. */
function nameOf(entry: unknown): string | null {
  if (typeof entry !== 'object' || entry === null || !('name' in entry)) return null;
  const { name } = entry;
  return typeof name === 'string' || typeof name === 'number' ? String(name) : null;
}

function problemOf(entry: unknown): string {
  const issues = userSchema.safeParse(entry).error?.issues ?? [];
  return issues.map(({ message }) => message).join('; ');
}

function checkUser(
  entry: unknown,
  leaveOut: (path: readonly PropertyKey[], what: string) => void,
): UserEntry | null {
  const parsed = userSchema.safeParse(entry);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const field = issue?.path.join('.') ?? '';
    leaveOut(issue?.path ?? [], `is left out: ${[field, issue?.message].filter(Boolean).join(': ')}`);
    return null;
  }
  const user = parsed.data;
  const read = user.publicKeys.map(readPublicKey);
  const keys = read.filter((key) => typeof key !== 'string');
  const isLost = keys.length === 0 && user.passwordHash === undefined;
  for (const [index, problem] of read.entries()) {
    if (typeof problem !== 'string') continue;
    const whom = isLost ? 'is left out' : 'goes without one key';
    leaveOut(['publicKeys', index], `${whom}: key ${index + 1}${typeOf(user.publicKeys[index])} ${problem}`);
  }
  return isLost && read.length > 0 ? null : { user, keys };
}

/** The key, or what is wrong with it. */
function readPublicKey(line: string): ParsedKey | string {
  const key = ssh2.utils.parseKey(line);
  if (key instanceof Error) return `cannot be read: ${key.message}`;
  return key.isPrivateKey() ? 'is a private key: only the public one belongs here' : key;
}

/** Which kind of key somebody meant; never a part of a key itself. */
function typeOf(line = ''): string {
  const [type = ''] = line.split(' ', 1);
  return /^[a-z][a-z0-9@.-]{2,63}$/.test(type) ? ` (${type})` : '';
}

function shown(name: string): string {
  return /^[\w.@-]{1,128}$/.test(name) ? name : JSON.stringify(name.slice(0, 128));
}

/** What is in the file, as the names of fields, is in the sentence too, and may be of any length. */
function cut(what: string): string {
  return what.length <= 300 ? what : `${what.slice(0, 300)}...`;
}

function offsetOf(document: Document, path: readonly PropertyKey[]): number {
  for (let length = path.length; length > 0; length--) {
    const node = document.getIn(path.slice(0, length), true);
    if (typeof node === 'object' && node !== null && 'range' in node) return (node.range as [number])[0];
  }
  return 0;
}
