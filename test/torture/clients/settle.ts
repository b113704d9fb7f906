import type { Random } from '../../sim/timeline.ts';
import type { FileItem, Item, Names } from '../model/names.ts';
import type { Notes } from '../notes.ts';
import { type Connection, Refused } from '../sftp/connection.ts';
import { openFlag, type SeenAttributes, status } from '../sftp/wire.ts';
import { Pins } from './pins.ts';
import { Spoilt, type Workspace } from './workspace.ts';

export interface Seen {
  readonly kind: Item['kind'] | 'other';
  readonly attributes: SeenAttributes;
  /** Of a symbolic link. */
  readonly target: string | null;
}

/** Of the contents that are known for sure, so many are read each time. */
const readAnyway = 2;

/**
 * After a connection was lost: what is there must be one of the things that may be there. Then what is there is made
 * durable, by barriers that change nothing and are acknowledged in the same session, and the model knows for sure again.
 * @throws Spoilt when what was acknowledged is missing or wrong; Refused, ConnectionLost: to be begun again
 */
export async function settle(
  workspace: Workspace,
  connection: Connection,
  notes: Notes,
  random: Random,
): Promise<void> {
  const { seen, pins } = await look(connection, workspace.root).catch((error) => {
    if (!(error instanceof Refused && error.code === status.noSuchFile)) throw error;
    notes.violations.add('acknowledged', 'a folder that is there cannot be listed', workspace.root);
    throw new Spoilt('a folder is missing');
  });
  const names = theirNames(workspace, seen, notes);
  const returned = pins.filter((path) => workspace.pins.wasRemoved(path));
  const contents = await readContents(workspace, connection, names, random);
  const wrong = [
    ...returned.map((path) => ({ path, what: 'a folder that was removed' })),
    ...wrongAttributes(names, seen),
    ...wrongContents(names, contents),
  ];
  for (const { path, what } of wrong) notes.violations.add('acknowledged', what, workspace.full(path));
  if (wrong.length > 0) throw new Spoilt('what was acknowledged is missing or wrong');
  for (const pin of pins) await removePin(workspace, connection, pin);
  if (workspace.isInDoubt) await makeDurable(workspace, connection, notes, names, contents, seen);
}

/** Everything below a folder, by path from it; apart from that what a lost connection left of its client's pins. */
async function look(
  connection: Connection,
  root: string,
): Promise<{ seen: Map<string, Seen>; pins: string[] }> {
  const seen = new Map<string, Seen>();
  const pins: string[] = [];
  const folders = [''];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const { name, attributes } of await connection.list(folder === '' ? root : `${root}/${folder}`)) {
      const path = folder === '' ? name : `${folder}/${name}`;
      if (Pins.isPin(name)) {
        pins.push(path);
        continue;
      }
      const kind = kindOf(attributes.mode);
      const target = kind === 'link' ? await connection.readlink(`${root}/${path}`) : null;
      seen.set(path, { kind, attributes, target });
      if (kind === 'folder') folders.push(path);
    }
  }
  return { seen, pins };
}

/** A map: Biome rewrites octal keys of objects, wrongly. */
const kinds = new Map<number, Seen['kind']>([
  [0o100000, 'file'],
  [0o040000, 'folder'],
  [0o120000, 'link'],
]);

export function kindOf(mode: number): Seen['kind'] {
  return kinds.get(mode & 0o170000) ?? 'other';
}

/** Those names of the model that are as they were seen. */
function theirNames(workspace: Workspace, seen: ReadonlyMap<string, Seen>, { violations }: Notes): Names {
  const { candidates } = workspace.names;
  const found = candidates.find((names) => differences(names, seen).length === 0);
  if (found !== undefined) return found;
  const nearest = candidates
    .map((names) => differences(names, seen))
    .toSorted((a, b) => a.length - b.length)[0];
  for (const { path, what } of nearest ?? []) violations.add('acknowledged', what, workspace.full(path));
  throw new Spoilt('names are not as they were acknowledged');
}

export interface Difference {
  readonly path: string;
  readonly what: string;
}

/** What is missing, too much, or something else than the model has. */
export function differences(names: Names, seen: ReadonlyMap<string, Seen>): Difference[] {
  const found: Difference[] = [];
  for (const [path, item] of names) {
    const there = seen.get(path);
    if (there === undefined) found.push({ path, what: `the ${item.kind} is missing` });
    else if (there.kind !== item.kind)
      found.push({ path, what: `a ${there.kind} where a ${item.kind} belongs` });
    else if (item.kind === 'link' && item.target !== there.target)
      found.push({ path, what: 'the link leads somewhere else' });
    else if (item.kind === 'file' && !item.content.allowsSize(there.attributes.size)) {
      const sizes = item.content.sizes.map(([least, most]) =>
        least === most ? least : `${least} to ${most}`,
      );
      found.push({ path, what: `${there.attributes.size} bytes where ${sizes.join(' or ')} may be` });
    }
  }
  for (const [path, { kind }] of seen) {
    if (!names.has(path)) found.push({ path, what: `a ${kind} that was removed, renamed or never made` });
  }
  return found;
}

export function wrongAttributes(names: Names, seen: ReadonlyMap<string, Seen>): Difference[] {
  const found: Difference[] = [];
  for (const [path, item] of names) {
    const there = seen.get(path);
    if (there === undefined || item.kind === 'link') continue;
    const mode = there.attributes.mode & 0o7777;
    const { modifiedAt } = there.attributes;
    if (!item.mode.allows(mode)) found.push({ path, what: `mode ${mode} where ${item.mode} may be` });
    if (item.kind === 'file' && !item.modifiedAt.allows(modifiedAt))
      found.push({ path, what: `time ${modifiedAt} where ${item.modifiedAt} may be` });
  }
  return found;
}

async function readContents(
  { root }: Workspace,
  connection: Connection,
  names: Names,
  random: Random,
): Promise<Map<string, Buffer>> {
  const files = [...names].filter(([, item]) => item.kind === 'file') as [string, FileItem][];
  const sure = files.filter(([, { content }]) => content.isSettled);
  const others = Array.from({ length: Math.min(readAnyway, sure.length) }, () => random.pick(sure));
  const contents = new Map<string, Buffer>();
  for (const [path] of [...files.filter(([, { content }]) => !content.isSettled), ...others]) {
    contents.set(path, await connection.read(`${root}/${path}`));
  }
  return contents;
}

function wrongContents(names: Names, contents: ReadonlyMap<string, Buffer>): Difference[] {
  return [...contents].flatMap(([path, bytes]) => {
    const item = names.get(path);
    const what = item?.kind === 'file' ? item.content.reasonAgainst(bytes) : null;
    return what === null ? [] : [{ path, what }];
  });
}

async function makeDurable(
  workspace: Workspace,
  connection: Connection,
  notes: Notes,
  names: Names,
  contents: ReadonlyMap<string, Buffer>,
  seen: ReadonlyMap<string, Seen>,
): Promise<void> {
  const folders = ['', ...[...names].flatMap(([path, { kind }]) => (kind === 'folder' ? [path] : []))];
  for (const folder of workspace.names.isSettled ? [] : folders) {
    const pin = workspace.pins.next(folder);
    await workspace.unmodelled('mkdir', pin, () => connection.mkdir(workspace.full(pin), 0o700));
    await removePin(workspace, connection, pin);
  }
  workspace.names.adopt(names);
  for (const [path, item] of names) {
    const bytes = contents.get(path);
    if (item.kind === 'file' && bytes !== undefined && !item.content.isSettled) {
      const answer = notes.history.sent('settle', 'fsync', [workspace.full(path)]);
      await flush(connection, workspace.full(path));
      answer('ok', `${bytes.length} bytes as they were read`);
      item.content.adopt(bytes);
    }
    const there = seen.get(path);
    if (there === undefined || item.kind === 'link') continue;
    if (item.mode.isUncertain) await workspace.set(connection, path, { mode: there.attributes.mode & 0o777 });
    if (item.kind === 'file' && item.modifiedAt.isUncertain)
      await workspace.set(connection, path, { time: there.attributes.modifiedAt });
  }
}

async function removePin(workspace: Workspace, connection: Connection, pin: string): Promise<void> {
  await workspace.unmodelled('rmdir', pin, () => connection.rmdir(workspace.full(pin)));
  workspace.pins.removed(pin);
}

async function flush(connection: Connection, path: string): Promise<void> {
  const handle = await connection.open(path, openFlag.write);
  await connection.fsync(handle);
  await connection.close(handle);
}
