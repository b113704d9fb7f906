import type { Touched } from '../apply/activity-set.ts';
import type { Resolver } from '../apply/resolver.ts';
import type { ClientRequest } from '../clients/ports.ts';
import { fromKey, parentOf, splitPath, toKey } from '../tree/path.ts';
import type { ClientSessions } from './client-sessions.ts';
import type { Store } from './store.ts';

/**
 * Names in the log what the requests of a turn are about to change, so that one flush is enough for all of them (P1). It
 * may miss something, where an earlier request of the turn decides where a later one leads: that is named, and flushed,
 * when it is made.
 * @returns whether the log is to be flushed first
 */
export function prepareTurn(
  store: Store,
  resolver: Resolver,
  sessions: ClientSessions,
  requests: readonly ClientRequest[],
): boolean {
  let mustFlush = false;
  for (const request of requests) {
    try {
      const touched = expected(store, resolver, sessions, request);
      if (touched !== null && store.activity.prepare(touched)) mustFlush = true;
    } catch {
      // It is refused when its turn comes, or leads elsewhere by then.
    }
  }
  return mustFlush;
}

function expected(
  store: Store,
  resolver: Resolver,
  sessions: ClientSessions,
  { session, request }: ClientRequest,
): Touched | null {
  const at = (path: Buffer) => resolver.resolve(session.grant.root, path, { follow: false }).path;
  switch (request.kind) {
    case 'write':
    case 'append':
    case 'set-handle-attributes': {
      const handle = sessions.find(session, request.handle)?.handle;
      const inode = handle === undefined ? null : (store.replica.handles.get(handle)?.inode ?? null);
      const names = inode === null ? null : store.tree.untoldNames(inode);
      return names === null ? null : { directories: [], files: names.map(fromKey) };
    }
    case 'open':
      return opening(store, at(request.path), request.flags.truncate);
    case 'set-attributes':
    case 'remove':
    case 'mkdir':
    case 'rmdir':
    case 'symlink':
    case 'link':
      return inDirectories(store, [at(request.path)]);
    case 'rename': {
      const [from, to] = [at(request.from), at(request.to)];
      const touched = inDirectories(store, [from, to]) ?? { directories: [], files: [] };
      const isDirectory = store.tree.find(toKey(from))?.kind === 'directory';
      return isDirectory ? { ...touched, trees: [from, to], released: [from, to] } : touched;
    }
    default:
      return null;
  }
}

function opening(store: Store, path: Buffer, truncate: boolean): Touched | null {
  const found = store.tree.find(toKey(path));
  if (found === null) return inDirectories(store, [path]);
  if (found.kind !== 'file' || !truncate) return null;
  return { directories: [], files: store.tree.namesOf(found.inode).map(fromKey) };
}

/** A directory is asked for on the disk before it is named: what a client says may lead nowhere. */
function inDirectories(store: Store, paths: readonly Buffer[]): Touched | null {
  const directories = paths.map(parentOf).filter((path) => {
    if (store.activity.hasDirectory(path)) return false;
    splitPath(path);
    return path.length === 0 || store.tree.find(toKey(path))?.kind === 'directory';
  });
  return directories.length === 0 ? null : { directories, files: [] };
}
