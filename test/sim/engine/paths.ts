import type { LogRecord } from '../../../replicator/core/record.ts';
import { isWithin, type TreePath } from '../../../replicator/core/uncertain-names.ts';
import type { ToFollower } from './connection.ts';
import type { EngineHost } from './host.ts';

export function describe(record: LogRecord): string {
  const { kind, ...rest } = record;
  const shown = Object.entries(rest).map(
    ([name, value]) => `${name}=${Buffer.isBuffer(value) ? `'${value}'` : JSON.stringify(value)}`,
  );
  return `${kind} ${shown.join(' ')}`;
}

export function describeFrame(frame: ToFollower): string {
  if (frame.kind === 'record') return `${describe(frame.record)}${frame.data === null ? '' : ' with data'}`;
  return JSON.stringify(frame);
}

export function pathsOf(record: LogRecord, leader: EngineHost): TreePath[] {
  const key = (path: Buffer) => path.toString('latin1');
  const withOtherNames = (path: TreePath): TreePath[] => {
    const found = leader.disk.find(path);
    return found?.kind === 'file' ? [path, ...leader.disk.namesOf(found.inode)] : [path];
  };
  switch (record.kind) {
    case 'open':
    case 'set-attributes':
      return [key(record.path), ...record.otherNames.map(key)];
    case 'write':
    case 'set-handle-attributes': {
      const inode = leader.replica.handles.get(record.handle)?.inode ?? null;
      return inode === null ? [] : leader.disk.namesOf(inode);
    }
    case 'rename':
      return [record.from, record.to].map(key).flatMap(withOtherNames);
    case 'link':
      return [record.existing, record.path].map(key).flatMap(withOtherNames);
    case 'remove':
    case 'rmdir':
    case 'mkdir':
    case 'symlink':
      return withOtherNames(key(record.path));
    case 'suspect':
      return [...record.names.map(({ path }) => path), ...record.ranges.flatMap(({ paths }) => paths)].map(
        key,
      );
    default:
      return [];
  }
}

export function isMentioned(path: TreePath, mentioned: Iterable<TreePath>): boolean {
  for (const other of mentioned) if (isWithin(path, other)) return true;
  return false;
}
