import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { TreeHold } from '../../../../replicator/source/tree-hold.ts';

function setUp({ connected = true } = {}) {
  const said: string[] = [];
  const node = { hold: () => said.push('hold'), release: () => said.push('release') };
  return {
    said,
    hold: new TreeHold(
      () => (connected ? node : null),
      () => 42,
    ),
  };
}

const held = { sequence: 7, handles: [] };

describe('hold of the tree', () => {
  it('works while nothing mutates, and releases', async () => {
    const { said, hold } = setUp();
    const result = hold.during(60_000, async ({ sequence }) => {
      said.push(`work at ${sequence}`);
      return 'done';
    });
    await turn();
    hold.onHeld(held);
    assert.equal(await result, 'done');
    assert.deepEqual(said, ['hold', 'work at 7', 'release']);
  });

  it('releases when the work fails', async () => {
    const { said, hold } = setUp();
    const result = hold.during(60_000, () => Promise.reject(new Error('peer gone')));
    await turn();
    hold.onHeld(held);
    await assert.rejects(result, /peer gone/);
    assert.deepEqual(said, ['hold', 'release']);
  });

  it('gives one user after the other its turn, also after a failure', async () => {
    const { said, hold } = setUp();
    const first = hold.during(60_000, () => Promise.reject(new Error('first')));
    const second = hold.during(60_000, () => Promise.resolve('second'));
    await turn();
    hold.onHeld(held);
    await assert.rejects(first);
    await turn();
    hold.onHeld(held);
    assert.equal(await second, 'second');
    assert.deepEqual(said, ['hold', 'release', 'hold', 'release']);
  });

  it('needs nobody when no node is connected', async () => {
    const { said, hold } = setUp({ connected: false });
    assert.equal(await hold.during(60_000, async ({ sequence }) => sequence), 42);
    assert.deepEqual(said, []);
  });

  it('ends when the node comes or goes', async () => {
    const { said, hold } = setUp();
    const unanswered = hold.during(60_000, () => Promise.resolve('never'));
    await turn();
    hold.interrupt();
    assert.equal(await unanswered, null);
    const running = hold.during(60_000, async (_, signal) => {
      hold.interrupt();
      return signal.aborted;
    });
    await turn();
    hold.onHeld(held);
    assert.equal(await running, true);
    assert.deepEqual(said, ['hold', 'release', 'hold', 'release']);
  });

  it('ends at its limit, also when the node was slow to answer', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { said, hold } = setUp();
    const result = hold.during(1000, () => Promise.resolve('too late'));
    await Promise.resolve();
    t.mock.timers.tick(1000);
    hold.onHeld(held);
    assert.equal(await result, null);
    assert.deepEqual(said, ['hold', 'release']);
  });
});
