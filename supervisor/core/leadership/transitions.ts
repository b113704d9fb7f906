import type { Phase } from './state.ts';

type PhaseName = Phase['name'];

/** A legal change of phase. The log line, `holdfast fsm` and the diagram in the docs read the same row. */
export interface Transition {
  readonly from: PhaseName;
  readonly to: PhaseName;
  readonly sentence: string;
}

export const transitions = [
  { from: 'standby', to: 'promoting', sentence: 'the leader key is on the lease of this host' },
  {
    from: 'promoting',
    to: 'leading',
    sentence: 'SFTP node listens, virtual IP is on and announced, gate is open',
  },
  { from: 'promoting', to: 'stepping-down', sentence: 'the promotion failed' },
  { from: 'leading', to: 'promoting', sentence: 'the SFTP node died and starts again under a new epoch' },
  { from: 'leading', to: 'handing-over', sentence: 'a planned move: another host takes over' },
  { from: 'leading', to: 'stepping-down', sentence: 'leadership cannot be kept: everything off at once' },
  { from: 'handing-over', to: 'standby', sentence: 'the leader key is handed over or released' },
  {
    from: 'handing-over',
    to: 'leading',
    sentence: 'the switchover is called off, this host goes on serving',
  },
  {
    from: 'handing-over',
    to: 'stepping-down',
    sentence: 'the lease ended while handing over, or a step took too long',
  },
  {
    from: 'stepping-down',
    to: 'standby',
    sentence: 'gate shut, SFTP node gone, virtual IP off, key released',
  },
  { from: 'standby', to: 'stopped', sentence: 'the supervisor was told to stop' },
] as const satisfies readonly Transition[];

/** @throws when the table has no such row: a programmer error, which must not go on. */
export function transitionRow(from: PhaseName, to: PhaseName): Transition {
  const row = transitions.find((transition) => transition.from === from && transition.to === to);
  if (row === undefined) throw new Error(`impossible transition: ${from} -> ${to}`);
  return row;
}
