import type { Random } from '../../sim/timeline.ts';
import { knownNotToHold } from '../expectations.ts';
import { childrenOf, type FileItem, type Item, isBelow } from '../model/names.ts';
import type { Connection } from '../sftp/connection.ts';
import { drawName } from './odd-names.ts';
import type { Payloads } from './payload.ts';
import type { OpenFile, OpenOptions, Workspace } from './workspace.ts';

/** What a step works with. */
export interface Desk {
  readonly connection: Connection;
  readonly workspace: Workspace;
  readonly random: Random;
  readonly payloads: Payloads;
  /** Handles that live on from step to step. */
  readonly open: OpenFile[];
}

type Step = (desk: Desk) => Promise<unknown>;

const maxNames = 45;
const maxOpen = 3;
const packetBytes = 32_768;

/** Each with how often it is drawn. */
const steps: readonly (readonly [share: number, step: Step])[] = [
  [10, (desk) => onFree(desk, (path) => upload(desk, path, { create: true, truncate: true }))],
  [10, (desk) => onFree(desk, (path) => uploadPipelined(desk, path, { create: true, truncate: true }))],
  [6, (desk) => onFile(desk, (path) => uploadPipelined(desk, path, { create: true, truncate: true }))],
  [6, (desk) => onFile(desk, (path) => uploadPipelined(desk, path, { append: true }))],
  [3, (desk) => onFree(desk, (path) => upload(desk, path, { create: true, append: true }))],
  [6, (desk) => onFile(desk, (path) => patch(desk, path))],
  [5, (desk) => replaceByRename(desk)],
  [
    5,
    (desk) => onAny(desk, (path) => onFree(desk, (to) => desk.workspace.rename(desk.connection, path, to))),
  ],
  [
    3,
    (desk) => onFile(desk, (from) => onFile(desk, (to) => desk.workspace.rename(desk.connection, from, to))),
  ],
  [4, (desk) => onFile(desk, (from) => onFile(desk, (to) => posixRename(desk, from, to)))],
  [4, (desk) => onFile(desk, (path) => onFree(desk, (to) => desk.workspace.link(desk.connection, path, to)))],
  [3, (desk) => onFree(desk, (path) => symlink(desk, path))],
  [5, (desk) => onNoFolder(desk, (path) => desk.workspace.remove(desk.connection, path))],
  [
    4,
    (desk) =>
      onFree(desk, (path) => desk.workspace.mkdir(desk.connection, path, desk.random.pick(folderModes))),
  ],
  [2, (desk) => onFolder(desk, (path) => desk.workspace.rmdir(desk.connection, path))],
  [2, (desk) => onFolder(desk, (path) => emptyFolder(desk, path))],
  [3, (desk) => onFolder(desk, (path) => renameFolder(desk, path))],
  [4, (desk) => onFile(desk, (path) => set(desk, path, { mode: desk.random.pick(fileModes) }))],
  [3, (desk) => onFolder(desk, (path) => set(desk, path, { mode: desk.random.pick(folderModes) }))],
  [3, (desk) => onFile(desk, (path) => set(desk, path, { time: drawTime(desk) }))],
  [3, (desk) => onFile(desk, (path, item) => set(desk, path, { size: drawSize(desk, item) }))],
  [1, (desk) => onLink(desk, (path) => desk.workspace.setLinkTime(desk.connection, path, drawTime(desk)))],
  [3, (desk) => severalAtOnce(desk)],
  [4, (desk) => openForLong(desk)],
  [12, (desk) => goOnWriting(desk)],
];
const total = steps.reduce((sum, [share]) => sum + share, 0);

/** Those that every release stores as asked. */
const fileModes = [0o600, 0o640, 0o644, 0o700, 0o755];
const folderModes = [0o700, 0o750, 0o755];

export function drawStep(random: Random): Step {
  let left = random.next() * total;
  for (const [share, step] of steps) {
    left -= share;
    if (left < 0) return step;
  }
  return goOnWriting;
}

async function upload(desk: Desk, path: string, options: OpenOptions): Promise<void> {
  const { connection, workspace, random, payloads } = desk;
  const file = await workspace.open(connection, path, { ...options, mode: random.pick(fileModes) });
  if (file === null) return;
  const pieces = Math.floor(random.between(0, 4));
  for (let piece = 0, at = 0; piece < pieces; piece++) {
    const data = payloads.make(random, drawLength(random) % packetBytes);
    await workspace.write(connection, file, at, data);
    at += data.length;
  }
  await workspace.close(connection, file);
}

/** As most clients do: everything is sent, CLOSE included, before the first answer is looked at. */
async function uploadPipelined(desk: Desk, path: string, options: OpenOptions): Promise<void> {
  const { connection, workspace, random, payloads } = desk;
  const file = await workspace.open(connection, path, { ...options, mode: random.pick(fileModes) });
  if (file === null) return;
  const data = payloads.make(random, drawLength(random));
  const requests: Promise<boolean>[] = [];
  for (let at = 0; at < data.length; at += packetBytes)
    requests.push(workspace.write(connection, file, at, data.subarray(at, at + packetBytes)));
  requests.push(workspace.close(connection, file));
  await all(requests);
}

/** Waits for each, so that the model has followed every answer before anything else is done. */
async function all(requests: readonly Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(requests)).find(({ status }) => status === 'rejected');
  if (failed?.status === 'rejected') throw failed.reason;
}

/** In the middle, over the end and beyond it, which leaves a hole. */
async function patch({ connection, workspace, random, payloads }: Desk, path: string): Promise<void> {
  const file = await workspace.open(connection, path);
  if (file === null) return;
  await all(
    Array.from({ length: 1 + Math.floor(random.next() * 4) }, () => {
      const data = payloads.make(random, 1 + Math.floor(random.next() * 8000));
      const at = Math.floor(random.next() * (file.item.content.size + 5000));
      return workspace.write(connection, file, at, data);
    }),
  );
  await workspace.close(connection, file);
}

/** As rsync and editors do. */
async function replaceByRename(desk: Desk): Promise<void> {
  await onFree(desk, async (temporary) => {
    await uploadPipelined(desk, temporary, { create: true, truncate: true });
    await onFile(desk, (path) => posixRename(desk, temporary, path));
  });
}

async function posixRename(desk: Desk, from: string, to: string): Promise<void> {
  if (desk.workspace.names.latest.has(from)) await desk.workspace.posixRename(desk.connection, from, to);
}

async function symlink(desk: Desk, path: string): Promise<void> {
  const target = desk.random.chance(0.1) ? 'x'.repeat(1500) : drawName(desk.random);
  await desk.workspace.symlink(desk.connection, path, target);
}

/** All below it, and itself. */
async function emptyFolder(desk: Desk, folder: string): Promise<void> {
  const { connection, workspace } = desk;
  for (const path of childrenOf(workspace.names.latest, folder).sort((a, b) => b.length - a.length)) {
    const kind = workspace.names.latest.get(path)?.kind;
    await (kind === 'folder' ? workspace.rmdir(connection, path) : workspace.remove(connection, path));
  }
  await workspace.rmdir(connection, folder);
}

/** With a file open in it, which goes on being written. */
async function renameFolder(desk: Desk, folder: string): Promise<void> {
  const { connection, workspace, random, payloads } = desk;
  const file = await workspace.open(connection, `${folder}/open-${Math.floor(random.next() * 1e6)}`, {
    create: true,
  });
  if (file === null) return;
  await workspace.write(connection, file, 0, payloads.make(random, 3000));
  const to = freePath(desk, folder);
  if (to !== null) await workspace.rename(connection, folder, to);
  await workspace.write(connection, file, 3000, payloads.make(random, 3000));
  await workspace.close(connection, file);
}

function set(
  { connection, workspace }: Desk,
  path: string,
  attributes: Parameters<Workspace['set']>[2],
): Promise<boolean> {
  return workspace.set(connection, path, attributes);
}

/** Names that are changed without waiting for the answers. */
async function severalAtOnce(desk: Desk): Promise<void> {
  const { connection, workspace, random } = desk;
  const paths = [freePath(desk), freePath(desk), freePath(desk)].filter((path) => path !== null);
  const [folder, link, to] = [...new Set(paths)];
  if (folder === undefined || link === undefined || to === undefined) return;
  await all([
    workspace.mkdir(connection, folder, random.pick(folderModes)),
    workspace.symlink(connection, link, 'at-once'),
    workspace.rename(connection, folder, to),
    workspace.remove(connection, link),
  ]);
}

async function openForLong(desk: Desk): Promise<void> {
  const { connection, workspace, open, random } = desk;
  const path = random.chance(0.5) ? freePath(desk) : drawPath(desk, 'file');
  if (
    open.length >= maxOpen ||
    path === null ||
    open.some((file) => file.item === workspace.names.latest.get(path))
  )
    return;
  const item = workspace.names.latest.get(path);
  if (item !== undefined && isSplit(desk, item)) return;
  const file = await workspace.open(connection, path, { create: true });
  if (file !== null) open.push(file);
}

async function goOnWriting(desk: Desk): Promise<void> {
  const { connection, workspace, open, random, payloads } = desk;
  if (open.length === 0) return;
  const file = random.pick(open);
  const { content } = file.item;
  const what = random.next();
  if (what < 0.5) {
    const at = Math.floor(random.next() * (content.size + 1));
    await workspace.write(
      connection,
      file,
      at,
      payloads.make(random, 1 + Math.floor(random.next() * 20_000)),
    );
  } else if (what < 0.7) await workspace.fsync(connection, file);
  else if (what < 0.8) await workspace.setHandle(connection, file, { size: drawSize(desk, file.item) });
  else if (what < 0.85) await workspace.setHandle(connection, file, { mode: random.pick(fileModes) });
  else {
    open.splice(open.indexOf(file), 1);
    await workspace.close(connection, file);
  }
}

/** Where no name is. When there are names enough, one goes instead. */
async function onFree(desk: Desk, use: Use): Promise<void> {
  const path = freePath(desk);
  if (path !== null) await use(path);
  else await onNoFolder(desk, (there) => desk.workspace.remove(desk.connection, there));
}

function drawPath({ workspace, random }: Desk, ...kinds: readonly Item['kind'][]): string | null {
  const paths = [...workspace.names.latest].filter(
    ([, { kind }]) => kinds.length === 0 || kinds.includes(kind),
  );
  return paths.length === 0 ? null : random.pick(paths)[0];
}

type Use = (path: string) => unknown;

async function on(desk: Desk, use: Use, ...kinds: readonly Item['kind'][]): Promise<void> {
  const path = drawPath(desk, ...kinds);
  if (path !== null) await use(path);
}

const onAny = (desk: Desk, use: Use) => on(desk, use);
const onFolder = (desk: Desk, use: Use) => on(desk, use, 'folder');
const onLink = (desk: Desk, use: Use) => on(desk, use, 'link');
const onNoFolder = (desk: Desk, use: Use) => on(desk, use, 'file', 'link');

/**
 * Whether it has several names, of which this release may have made several files. Such a file is renamed and removed,
 * but neither changed nor put in another's place.
 */
function isSplit({ workspace }: Desk, item: Item): boolean {
  if (knownNotToHold['hard-links'] === undefined) return false;
  return [...workspace.names.latest.values()].filter((each) => each === item).length > 1;
}

/** A file that no long-lived handle changes, so that what CLOSE and FSYNC promise is of one handle's writes. */
async function onFile(desk: Desk, use: (path: string, item: FileItem) => unknown): Promise<void> {
  const path = drawPath(desk, 'file');
  const item = path === null ? undefined : desk.workspace.names.latest.get(path);
  if (path === null || item?.kind !== 'file' || desk.open.some((file) => file.item === item)) return;
  if (isSplit(desk, item)) return;
  await use(path, item);
}

/** Where no name is; null when there are names enough. @param except not below this folder */
function freePath({ workspace, random }: Desk, except: string | null = null): string | null {
  const names = workspace.names.latest;
  if (names.size >= maxNames) return null;
  const folders = [...names].flatMap(([path, { kind }]) =>
    kind === 'folder' &&
    path !== except &&
    (except === null || !isBelow(path, except)) &&
    path.split('/').length < 4
      ? [`${path}/`]
      : [],
  );
  const path = `${random.pick(['', '', ...folders])}${drawName(random)}`;
  return names.has(path) || path.length > 900 ? null : path;
}

function drawTime({ random }: Desk): number {
  return Math.floor(random.between(1_000_000_000, 1_700_000_000));
}

function drawSize({ random }: Desk, { content }: FileItem): number {
  return Math.floor(random.next() * Math.min(content.size + 10_000, 1_000_000));
}

/** Mostly small, as most files are; a few take many packets. */
function drawLength(random: Random): number {
  const kind = random.next();
  if (kind < 0.1) return 0;
  if (kind < 0.7) return Math.floor(random.next() * 10_000);
  if (kind < 0.95) return Math.floor(random.next() * 150_000);
  return Math.floor(random.next() * 1_000_000);
}
