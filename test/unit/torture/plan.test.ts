import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Random } from '../../sim/timeline.ts';
import { drawRounds, faultKinds, type Round, shownFault } from '../../torture/faults/plan.ts';

function rounds(seed: number, count: number): Round[] {
  const plan = drawRounds(new Random(seed));
  return Array.from({ length: count }, () => plan.next().value);
}

describe('the plan of faults', () => {
  it('is the same for the same seed, and another one for another', () => {
    assert.deepEqual(rounds(3, 40), rounds(3, 40));
    assert.notDeepEqual(rounds(3, 40), rounds(4, 40));
  });

  it('has every kind once before one comes again', () => {
    const plan = rounds(5, 2 * faultKinds.length).map(({ faults }) => faults[0]?.kind);
    for (const half of [plan.slice(0, faultKinds.length), plan.slice(faultKinds.length)])
      assert.deepEqual(half.sort(), [...faultKinds].sort());
  });

  it('never has two faults on one host, or beside the loss of a disk', () => {
    for (const { faults } of rounds(6, 500)) {
      assert.equal(new Set(faults.map(({ role }) => role)).size, faults.length);
      if (faults.length > 1) assert.ok(faults.every(({ kind }) => kind !== 'host replaced'));
    }
  });

  it('can be read', () => {
    for (const { faults } of rounds(7, 100))
      for (const fault of faults) assert.match(shownFault(fault), /^[\w ]+(: [\w ]+)?( \(.+\))?$/);
  });
});
