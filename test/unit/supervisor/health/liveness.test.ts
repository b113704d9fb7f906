import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type NodeAnswer, NodeLiveness } from '../../../../supervisor/health/checks/liveness.ts';

function setUp() {
  const asked: number[] = [];
  const node: { answer: NodeAnswer | null } = { answer: null };
  const liveness = new NodeLiveness({ ask: (id) => asked.push(id), answer: () => node.answer });
  const answer = (fields: Partial<NodeAnswer> = {}) => {
    node.answer = { id: asked.at(-1) ?? 0, listening: true, accepting: true, ...fields };
  };
  return { asked, liveness, answer };
}

describe('the liveness of the SFTP node', () => {
  it('is asked once a second', () => {
    const { asked, liveness, answer } = setUp();
    for (let atMs = 0; atMs <= 5000; atMs += 100) {
      assert.equal(liveness.look(atMs), 'lives');
      answer();
    }
    assert.equal(asked.length, 5);
    assert.equal(liveness.isSilent, false);
  });

  it('is over after two questions in a row without an answer in time, and stuck after the third', () => {
    const { asked, liveness } = setUp();
    const verdicts: [number, string][] = [];
    for (let atMs = 0; atMs <= 8000; atMs += 100) {
      const verdict = liveness.look(atMs);
      if (verdict !== 'lives') verdicts.push([atMs, verdict]);
    }
    assert.deepEqual(verdicts, [
      [5000, 'silent'],
      [8000, 'stuck'],
    ]);
    assert.equal(asked.length, 3);
    assert.equal(liveness.heard, null);
  });

  it('outlasts one answer that is late', () => {
    const { liveness, answer } = setUp();
    for (let atMs = 0; atMs <= 3000; atMs += 100) assert.equal(liveness.look(atMs), 'lives');
    assert.equal(liveness.isSilent, true);
    answer();
    assert.equal(liveness.look(3100), 'lives');
    assert.equal(liveness.isSilent, false);
  });

  it('takes no older answer for a newer one', () => {
    const { asked, liveness, answer } = setUp();
    liveness.look(0);
    answer();
    liveness.look(100);
    liveness.look(1100);
    assert.equal(asked.length, 2);
    for (let atMs = 1200; atMs <= 3100; atMs += 100) liveness.look(atMs);
    assert.equal(liveness.isSilent, true);
  });

  it('is over too when it answers that it does not listen', () => {
    const { liveness, answer } = setUp();
    const verdicts = [0, 100, 1100, 1200].map((atMs) => {
      const verdict = liveness.look(atMs);
      answer({ listening: false });
      return verdict;
    });
    assert.deepEqual(verdicts, ['lives', 'lives', 'lives', 'silent']);
  });

  it('begins anew with another process', () => {
    const { asked, liveness } = setUp();
    for (let atMs = 0; atMs <= 2500; atMs += 100) liveness.look(atMs);
    liveness.reset();
    assert.equal(liveness.isSilent, false);
    liveness.look(2600);
    assert.equal(asked.length, 2);
  });
});
