import { Attribute } from './attribute.ts';
import { Content } from './content.ts';

/** What a name stands for. Two names of one file are hard links. */
export type Item = FileItem | FolderItem | LinkItem;

export class FileItem {
  readonly kind = 'file';
  readonly content = new Content();
  /** Permission bits. */
  readonly mode = new Attribute();
  /** Seconds since 1970. */
  readonly modifiedAt = new Attribute();
}

export class FolderItem {
  readonly kind = 'folder';
  readonly mode = new Attribute();
}

export class LinkItem {
  readonly kind = 'link';
  readonly target: string;

  constructor(target: string) {
    this.target = target;
  }
}

/** The names below a client's folder. Paths are relative to it, of bytes, one a character. */
export type Names = ReadonlyMap<string, Item>;

/** A change of names. Gives null where it is not possible: the server must refuse it, and it changes nothing. */
export type NameChange = (names: Names) => Names | null;

export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}

export function isBelow(path: string, folder: string): boolean {
  return path.startsWith(`${folder}/`);
}

export function childrenOf(names: Names, folder: string): string[] {
  return [...names.keys()].filter((path) => isBelow(path, folder));
}

function hasParent(names: Names, path: string): boolean {
  const parent = parentOf(path);
  return parent === '' || names.get(parent)?.kind === 'folder';
}

function changed(names: Names, change: (copy: Map<string, Item>) => void): Names {
  const copy = new Map(names);
  change(copy);
  return copy;
}

/** Of a file, a folder or a link, where no name is. */
export const added =
  (path: string, item: Item): NameChange =>
  (names) =>
    names.has(path) || !hasParent(names, path) ? null : changed(names, (copy) => copy.set(path, item));

/** Opening with `create`: what is there stays. */
export const createdUnlessThere =
  (path: string, item: Item): NameChange =>
  (names) =>
    names.has(path) ? names : added(path, item)(names);

export const linked =
  (existing: string, path: string): NameChange =>
  (names) => {
    const item = names.get(existing);
    return item === undefined || item.kind === 'folder' ? null : added(path, item)(names);
  };

export const removed =
  (path: string): NameChange =>
  (names) => {
    const item = names.get(path);
    if (item === undefined || item.kind === 'folder') return null;
    return changed(names, (copy) => copy.delete(path));
  };

export const folderRemoved =
  (path: string): NameChange =>
  (names) => {
    if (names.get(path)?.kind !== 'folder' || childrenOf(names, path).length > 0) return null;
    return changed(names, (copy) => copy.delete(path));
  };

/** @param replaces as posix-rename@openssh.com, which replaces files; RENAME refuses where a name is */
export const renamed =
  (from: string, to: string, replaces: boolean): NameChange =>
  (names) => {
    const item = names.get(from);
    const target = names.get(to);
    if (item === undefined || !hasParent(names, to) || isBelow(to, from)) return null;
    if (target !== undefined && !replaces) return null;
    // rename(2) of one file onto itself, under whatever name, does nothing.
    if (target === item) return names;
    if (target !== undefined && (target.kind === 'folder') !== (item.kind === 'folder')) return null;
    if (target?.kind === 'folder' && childrenOf(names, to).length > 0) return null;
    return changed(names, (copy) => {
      copy.delete(from);
      copy.set(to, item);
      for (const path of childrenOf(names, from)) {
        const child = names.get(path);
        copy.delete(path);
        if (child !== undefined) copy.set(to + path.slice(from.length), child);
      }
    });
  };
