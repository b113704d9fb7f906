import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { kindOf, type Seen } from '../clients/settle.ts';

/** What is on a host's disk at one path. */
export interface OnDisk extends Seen {
  readonly modifiedNs: bigint;
  readonly inode: bigint;
  /** Of the bytes of a file; empty for others. */
  readonly digest: string;
}

/** Paths from the root, of bytes, one a character. */
export type DiskTree = ReadonlyMap<string, OnDisk>;

const toBytes = (path: string) => Buffer.from(path, 'latin1');

/** Everything below a folder that nobody changes. */
export function readTree(root: string): DiskTree {
  const tree = new Map<string, OnDisk>();
  const folders = [''];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const name of readdirSync(toBytes(`${root}/${folder}`), { encoding: 'buffer' })) {
      const path = `${folder}${folder === '' ? '' : '/'}${name.toString('latin1')}`;
      const there = lookAt(`${root}/${path}`);
      tree.set(path, there);
      if (there.kind === 'folder') folders.push(path);
    }
  }
  return tree;
}

function lookAt(place: string): OnDisk {
  const stats = lstatSync(toBytes(place), { bigint: true });
  const kind = kindOf(Number(stats.mode));
  return {
    kind,
    attributes: {
      size: Number(stats.size),
      mode: Number(stats.mode),
      modifiedAt: Number(stats.mtimeNs / 1_000_000_000n),
    },
    target: kind === 'link' ? readlinkSync(toBytes(place), { encoding: 'buffer' }).toString('latin1') : null,
    modifiedNs: stats.mtimeNs,
    inode: stats.ino,
    digest: kind === 'file' ? digestOf(place) : '',
  };
}

function digestOf(place: string): string {
  return createHash('sha1')
    .update(readFileSync(toBytes(place)))
    .digest('hex');
}

/** The part of a tree that is below a folder, by path from there. */
export function below(tree: DiskTree, folder: string): DiskTree {
  const part = new Map<string, OnDisk>();
  for (const [path, there] of tree) {
    if (path.startsWith(`${folder}/`)) part.set(path.slice(folder.length + 1), there);
  }
  return part;
}

/** Each file that has several names, as its names in order. */
export function hardLinksOf(tree: DiskTree): Set<string> {
  const names = Map.groupBy(
    [...tree].filter(([, { kind }]) => kind === 'file'),
    ([, { inode }]) => inode,
  );
  const groups = [...names.values()].filter((group) => group.length > 1);
  return new Set(groups.map((group) => JSON.stringify(group.map(([path]) => path).sort())));
}
