import assert from 'node:assert/strict';
import { it } from 'node:test';
import { transitionRow, transitions } from '../../../../../supervisor/core/leadership/transitions.ts';

it('crashes on an impossible transition', () => {
  assert.throws(() => transitionRow('stopped', 'leading'), /impossible transition/);
});

it('reaches every phase from standby', () => {
  const reached = new Set<string>(['standby']);
  for (let turn = 0; turn < transitions.length; turn++) {
    for (const { from, to } of transitions) if (reached.has(from)) reached.add(to);
  }
  const all = new Set(transitions.flatMap(({ from, to }) => [from, to]));
  assert.deepEqual([...reached].sort(), [...all].sort());
});
