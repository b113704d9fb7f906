import { readFileSync } from 'node:fs';
import { differences, wrongAttributes } from '../clients/settle.ts';
import type { Workspace } from '../clients/workspace.ts';
import type { FileItem } from '../model/names.ts';
import type { Violations } from '../violations.ts';
import { below, type DiskTree } from './disk-tree.ts';

/** What a client knows for sure, against what a host has on its disk. */
export function checkWorkspace(
  workspace: Workspace,
  host: string,
  home: string,
  tree: DiskTree,
  violations: Violations,
): void {
  const names = workspace.names.latest;
  const there = below(tree, workspace.root);
  const wrong = [
    ...differences(names, there),
    ...wrongAttributes(names, there),
    ...[...names].flatMap(([path, item]) => {
      if (item.kind !== 'file' || there.get(path)?.kind !== 'file') return [];
      const bytes = readFileSync(Buffer.from(`${home}/${workspace.full(path)}`, 'latin1'));
      const what = item.content.reasonAgainst(bytes);
      return what === null ? [] : [{ path, what }];
    }),
  ];
  for (const { path, what } of wrong)
    violations.add('acknowledged', `on ${host}: ${what}`, workspace.full(path));
  const files = [...names].filter(([, { kind }]) => kind === 'file') as [string, FileItem][];
  for (const group of Map.groupBy(files, ([, item]) => item).values()) {
    const inodes = new Set(group.map(([path]) => there.get(path)?.inode));
    const [[path] = ['']] = group;
    if (inodes.size > 1)
      violations.add(
        'hard-links',
        `on ${host}: ${group.length} names of ${inodes.size} files`,
        workspace.full(path),
      );
  }
}
