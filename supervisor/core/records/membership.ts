import type { NodeId } from '#contracts/identities.ts';

/** The in-sync set after adding or removing one host; the leader itself never leaves it. */
export function changedMembers(
  members: readonly NodeId[],
  change: 'add' | 'remove',
  node: NodeId,
  leader: NodeId,
): NodeId[] {
  const others = members.filter((member) => member !== node && member !== leader);
  return [leader, ...others, ...(change === 'add' && node !== leader ? [node] : [])].sort();
}
