import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LabHost } from '../../lab/host.ts';
import type { SharedFolder } from '../clients/shared.ts';
import type { Workspace } from '../clients/workspace.ts';
import type { Cluster } from '../faults/cluster.ts';
import type { Notes } from '../notes.ts';
import { type DiskTree, readTree } from './disk-tree.ts';
import { checkQuarantine, type QuarantineCounts } from './quarantine.ts';
import { differencesOf } from './trees.ts';
import { checkWorkspace } from './workspaces.ts';

const quietMs = 180_000;

/** What clients know for sure, once they have finished. */
export interface Known {
  readonly shared: SharedFolder;
  readonly workspaces: readonly Workspace[];
}

/**
 * Of a cluster that nothing befalls and nobody uses: what is on the disks of all hosts.
 * @returns the leader; null when none came to lead a cluster that is in sync
 */
export async function checkDisks(
  cluster: Cluster,
  { shared, workspaces }: Known,
  { violations }: Notes,
): Promise<LabHost | null> {
  const { hosts } = cluster.lab;
  const leader = await cluster.waitForQuiet(quietMs).catch((error: Error) => {
    violations.add('service', error.message.split('\n')[0] ?? '');
    return null;
  });
  const trees = new Map(hosts.map((host) => [host, withoutWatched(readTree(homeOf(host)))]));
  const leads = trees.get(leader ?? cluster.lab.host('a')) ?? new Map();
  for (const [host, tree] of trees) {
    if (host !== leader) compare(host.name, leads, tree, violations);
    for (const workspace of workspaces) checkWorkspace(workspace, host.name, homeOf(host), tree, violations);
    for (const { path, what } of shared.judge((path) => textAt(host, path)))
      violations.add('shared', `on ${host.name}: ${what}`, path);
  }
  return leader;
}

/** In the end. */
export function checkQuarantines(
  { lab }: Cluster,
  { violations, acknowledgedContents }: Notes,
): QuarantineCounts[] {
  return lab.hosts.map((host) =>
    checkQuarantine(host.name, join(host.folder, 'data/quarantine'), acknowledgedContents, violations),
  );
}

/** The service watch goes on writing its files; what it was told of them is checked when it has ended. */
function withoutWatched(tree: DiskTree): DiskTree {
  return new Map([...tree].filter(([path]) => !path.startsWith('watched-')));
}

export function homeOf(host: LabHost): string {
  return join(host.filesRoot, 'alice');
}

function textAt(host: LabHost, path: string): string | null {
  try {
    return readFileSync(join(homeOf(host), path), 'latin1');
  } catch {
    return null;
  }
}

function compare(name: string, leader: DiskTree, standby: DiskTree, violations: Notes['violations']): void {
  for (const { check, path, what } of differencesOf(leader, standby))
    violations.add(check, `on ${name}: ${what}`, path);
}
