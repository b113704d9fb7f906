import type { RoleState, Successor } from './state.ts';

/** The standby that is handed leadership: in the in-sync set, eligible by its own word, highest priority first. */
export function successorOf(state: RoleState): Successor | null {
  const { cluster } = state;
  const inSync = cluster?.inSync?.members ?? [];
  const candidates = (cluster?.nodes ?? [])
    .filter(
      (node) => node.node !== state.nodeId && inSync.includes(node.node) && node.ineligible.length === 0,
    )
    .sort((a, b) => b.priority - a.priority || a.node.localeCompare(b.node));
  const [best] = candidates;
  return best === undefined ? null : { node: best.node, leaseId: best.leaseId };
}
