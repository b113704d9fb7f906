import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Random } from '../timeline.ts';
import { EngineHost } from './host.ts';
import { droppable } from './rules.ts';
import { tellEngineStory } from './story.ts';

/** A story that goes wrong without the rule; another one is found by `npm run sim -- --engine --without RULE`. */
const missedAt: Readonly<Record<string, number>> = {
  R2: 1,
  R4: 32,
  R5: 509,
  R6: 1,
  P1: 10,
  P2: 2,
  P3: 38,
  checkpoint: 30,
  F1: 1,
  F2: 3,
  order: 117,
};

describe('the rules of the storage engine', () => {
  for (const [rule, seed] of Object.entries(missedAt)) {
    it(`${rule} is missed when ${droppable[rule]}`, () => {
      assert.notEqual(tellEngineStory(seed, new Set([rule])).broken, null);
      assert.equal(tellEngineStory(seed).broken, null);
    });
  }

  it('have each their story', () => {
    const shownElsewhere = ['P1-rename'];
    assert.deepEqual([...Object.keys(missedAt), ...shownElsewhere].sort(), Object.keys(droppable).sort());
  });

  /** A directory is renamed and another made in its place; the log reaches the disk, the directories do not. */
  function doubtsMovedDirectory(without: string): boolean {
    const host = new EngineHost('a', new Set([without]));
    const consume = (sequence: number, record: Parameters<EngineHost['consume']>[1]) =>
      host.consume({ epoch: 1, sequence }, record, null);
    const [x, y, below] = ['x', 'y', 'x/c'].map((path) => Buffer.from(path)) as [Buffer, Buffer, Buffer];
    consume(1, { kind: 'leadership', epoch: 1, node: 'a', previous: { epoch: 0, sequence: 0 } });
    consume(2, { kind: 'mkdir', path: x, mode: 0o755 });
    consume(3, { kind: 'mkdir', path: below, mode: 0o755 });
    host.beginCheckpoint();
    host.endCheckpoint();
    consume(4, { kind: 'rename', from: x, to: y });
    consume(5, { kind: 'mkdir', path: x, mode: 0o755 });
    host.log.flush();
    const losesAll = Object.assign(new Random(1), { below: () => 0 });
    host.powerCut(losesAll);
    assert.ok(host.disk.find('x/c') !== null, 'the old directory is back');
    // The leader says that x is a directory, which it is here too.
    host.onEntries('', { after: null, names: ['x', 'y'], upTo: null });
    host.onName('x', { kind: 'directory', mode: 0o755 });
    return !host.replica.isCertain('x/c');
  }

  it(`P1-rename is missed when ${droppable['P1-rename']}`, () => {
    assert.equal(doubtsMovedDirectory('nothing'), true);
    assert.equal(doubtsMovedDirectory('P1-rename'), false);
  });
});
