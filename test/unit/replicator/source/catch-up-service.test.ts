import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { Operation } from '#contracts/journal/operation.ts';
import type { ToFollower } from '../../../../replicator/protocol/message.ts';
import { CatchUpService } from '../../../../replicator/source/catch-up-service.ts';
import { HandlePaths } from '../../../../replicator/source/handle-paths.ts';
import { TreeHold } from '../../../../replicator/source/tree-hold.ts';

function setUp() {
  const said: string[] = [];
  const sent: ToFollower[] = [];
  const closing = new AbortController();
  const channel = {
    closed: closing.signal,
    send: (message: ToFollower) => sent.push(message) > 0,
    close: (reason: string) => closing.abort(new Error(reason)),
  };
  const node = { hold: () => said.push('hold'), release: () => said.push('release') };
  const hold = new TreeHold(
    () => node,
    () => 0,
  );
  const leadership = { epoch: 3, stream: 's1', hold, handles: new HandlePaths(), log: { info: () => {} } };
  const completed: number[] = [];
  const service = new CatchUpService(channel as never, leadership as never, (sequence) =>
    completed.push(sequence),
  );
  const types = () =>
    sent.map((message) => (message.type === 'round' && message.final ? 'final' : message.type));
  const held = () => hold.onHeld({ sequence: 42, handles: [{ handle: 1, path: Buffer.from('open') }] });
  return { said, sent, types, service, completed, leadership, closing, held };
}

const removal = (name: string): Operation => ({ kind: 'remove', path: Buffer.from(name) });

describe('the leader’s side of a catch-up', () => {
  it('ends under a hold, at the exact sequence, with the open files', async () => {
    const { said, sent, types, service, completed, held } = setUp();
    service.onNextRound('s1');
    service.note(removal('meanwhile'));
    service.onNextRound('s1');
    await turn();
    held();
    await turn();
    assert.deepEqual(types(), ['round', 'final']);
    assert.deepEqual(sent[1], {
      type: 'round',
      epoch: 3,
      first: false,
      dirty: [{ path: 'meanwhile', ranges: null }],
      final: { sequence: 42, handles: [{ handle: 1, path: 'open' }] },
    });
    assert.deepEqual(said, ['hold'], 'mutations wait until the follower is done');
    service.onNextRound('s1');
    await turn();
    assert.deepEqual(types(), ['round', 'final', 'stream']);
    assert.deepEqual(completed, [42]);
    assert.deepEqual(said, ['hold', 'release']);
  });

  it('holds nobody up while much changes', async () => {
    const { said, types, service } = setUp();
    service.onNextRound('s1');
    for (let file = 0; file < 500; file++) service.note(removal(`f${file}`));
    service.onNextRound('s1');
    await turn();
    assert.deepEqual(types(), ['round', 'round']);
    assert.deepEqual(said, []);
  });

  it('releases when the follower dies within the hold', async () => {
    const { said, service, completed, held, closing } = setUp();
    service.onNextRound('s1');
    service.onNextRound('s1');
    await turn();
    held();
    await turn();
    closing.abort(new Error('gone'));
    await turn();
    assert.deepEqual(said, ['hold', 'release']);
    assert.deepEqual(completed, []);
  });

  it('gives a last round up that takes too long, and tries again', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { said, types, service, completed, held } = setUp();
    service.onNextRound('s1');
    service.onNextRound('s1');
    await turn();
    held();
    await turn();
    t.mock.timers.tick(1000);
    await turn();
    assert.deepEqual(said, ['hold', 'release']);
    service.onNextRound('s1');
    await turn();
    held();
    await turn();
    service.onNextRound('s1');
    await turn();
    assert.deepEqual(types(), ['round', 'final', 'final', 'stream']);
    assert.deepEqual(completed, [42]);
  });

  it('begins anew in a new stream, and does not take an answer to the old for one to the new', async () => {
    const { types, service, leadership } = setUp();
    service.onNextRound('s1');
    leadership.stream = 's2';
    service.restart();
    service.onNextRound('s1');
    assert.deepEqual(types(), ['round']);
    service.onNextRound('s2');
    assert.deepEqual(types(), ['round', 'round']);
  });
});
