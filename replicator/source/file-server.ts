import { type BigIntStats, close, constants, fstatSync, read } from 'node:fs';
import { promisify } from 'node:util';
import { digestFile } from '../manifest/digest.ts';
import { isGone, readDirectory, readEntry } from '../manifest/entry.ts';
import type { Range, ToFollower, ToLeader } from '../protocol/message.ts';
import { fromKey } from '../tree/path.ts';
import type { Tree } from '../tree/tree.ts';

const readAsync = promisify(read);
const closeAsync = promisify(close);
const sliceBytes = 256 * 1024;
const entriesPerListing = 1000;

/** Where the answers go; `drained` is the back-pressure. */
export interface AnswerChannel {
  send(message: ToFollower): boolean;
  sendData(id: number, offset: number, data: Buffer): boolean;
  drained(): Promise<void>;
  readonly closed: AbortSignal;
}

export type FileRequest = Extract<ToLeader, { type: 'list' | 'digest' | 'read' }>;

/** Answers what a follower asks about the leader's tree. The follower asks for little at a time. */
export async function answerFileRequest(
  tree: Tree,
  request: FileRequest,
  channel: AnswerChannel,
): Promise<void> {
  switch (request.type) {
    case 'list':
      return await list(tree, request, channel);
    case 'digest': {
      const digest = await digestFile(tree, fromKey(request.path), channel.closed);
      channel.send({ type: 'digest-result', id: request.id, digest });
      return;
    }
    case 'read':
      return await sendFile(tree, request, channel);
  }
}

async function list(
  tree: Tree,
  { id, path }: Extract<FileRequest, { type: 'list' }>,
  channel: AnswerChannel,
): Promise<void> {
  const self = readEntry(tree, fromKey(path));
  const entries = self?.type === 'directory' ? (readDirectory(tree, fromKey(path)) ?? []) : [];
  for (let at = 0; at === 0 || at < entries.length; at += entriesPerListing) {
    await channel.drained();
    const part = entries.slice(at, at + entriesPerListing);
    channel.send({
      type: 'listing',
      id,
      self,
      entries: part,
      last: at + entriesPerListing >= entries.length,
    });
  }
}

async function sendFile(
  tree: Tree,
  { id, path, ranges }: Extract<FileRequest, { type: 'read' }>,
  channel: AnswerChannel,
): Promise<void> {
  const file = openFile(tree, fromKey(path));
  if (file === null) {
    channel.send({ type: 'file', id, entry: null });
    return;
  }
  try {
    const stats = fstatSync(file, { bigint: true });
    if (!stats.isFile()) {
      channel.send({ type: 'file', id, entry: null });
      return;
    }
    channel.send({ type: 'file', id, entry: entryOf(stats) });
    for (const range of ranges ?? [[0, null] as Range]) {
      await sendRange(file, id, range, Number(stats.size), channel);
    }
    channel.send({ type: 'file-end', id });
  } finally {
    await closeAsync(file);
  }
}

async function sendRange(
  file: number,
  id: number,
  [from, to]: Range,
  size: number,
  channel: AnswerChannel,
): Promise<void> {
  const end = Math.min(to ?? size, size);
  for (let offset = from; offset < end; ) {
    await channel.drained();
    const slice = Buffer.allocUnsafe(Math.min(sliceBytes, end - offset));
    const { bytesRead } = await readAsync(file, slice, 0, slice.length, offset);
    if (bytesRead === 0) return;
    channel.sendData(id, offset, slice.subarray(0, bytesRead));
    offset += bytesRead;
  }
}

function openFile(tree: Tree, path: Buffer): number | null {
  try {
    return tree.open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
}

function entryOf(stats: BigIntStats) {
  return {
    name: '',
    type: 'file' as const,
    mode: Number(stats.mode & 0o7777n),
    size: Number(stats.size),
    modifiedAtNs: String(stats.mtimeNs),
    target: '',
  };
}
