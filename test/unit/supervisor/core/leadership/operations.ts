import type { Operation } from '../../../../../supervisor/core/records/operation.ts';

/** A switchover to c that the leader a of epoch 200 may begin at once. */
export function operationOf(parts: Partial<Operation> = {}): Operation {
  return {
    id: '0123abcd',
    kind: 'switchover',
    from: 'a',
    to: 'c',
    force: false,
    drill: false,
    drainMs: 0,
    requestedBy: 'root on a',
    requestedAt: '2026-01-01T00:00:00Z',
    at: null,
    state: 'pending',
    epoch: 200,
    step: null,
    steps: [],
    cancelledBy: null,
    outcome: null,
    supersedes: null,
    modRevision: 300,
    dueAtMs: 0,
    ...parts,
  };
}
