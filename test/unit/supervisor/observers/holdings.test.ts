import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import pino from 'pino';
import type { RootsReport } from '#contracts/roots.ts';
import { HoldingsObserver, holdingFacts } from '../../../../supervisor/observers/holdings.ts';
import { Host, rootsOf } from '../core/leadership/host.ts';

const emptied: RootsReport = {
  ...rootsOf('a'),
  data: { path: '/srv/data', record: null, isEmpty: true, place: '1:1' },
};
const nothing = { path: '/srv', record: null, isEmpty: true, place: '1:1' };
const fresh: RootsReport = { data: nothing, config: nothing, state: nothing };
const others = { members: ['b', 'c'], epoch: 1, reason: '', modRevision: 7 };

describe('what this host holds', () => {
  const levelOf = (host: Host) => holdingFacts(host.state).map(({ name, level }) => `${name} ${level}`);

  it('is an alarm when it is not what it was, and none on a host that comes for the first time', () => {
    assert.deepEqual(levelOf(new Host().ready()), []);
    assert.deepEqual(levelOf(new Host().ready().replicator('idle', 0, { roots: emptied })), ['roots bad']);
    const first = new Host().ready().replicator('idle', 0, { roots: fresh }).read({ inSync: others });
    assert.deepEqual(levelOf(first), ['roots warn']);
  });

  it('is an alarm while a comparison waits for an operator', () => {
    const heldRemoval = { files: 500, of: 600, leader: 'b' };
    assert.deepEqual(levelOf(new Host().ready().replicator('idle', 0, { heldRemoval })), ['resync bad']);
  });

  it('is told in the log once, and once more when it counts again', () => {
    const lines: string[] = [];
    const observer = new HoldingsObserver(pino({ level: 'info' }, { write: (line) => lines.push(line) }));
    const host = new Host().ready();
    const look = (roots: RootsReport | null) => {
      if (roots !== null) host.replicator('idle', 0, { roots });
      else host.see({ type: 'replicator-gone' });
      observer.onDecision(host.state);
      observer.onDecision(host.state);
      return lines.length;
    };
    assert.equal(look(rootsOf('a')), 0);
    assert.equal(look(emptied), 1);
    assert.equal(look(null), 1, 'nothing is known of them while the replicator is away');
    assert.equal(look(emptied), 1);
    assert.equal(look(rootsOf('a')), 2);
    assert.equal(look(emptied), 3);
  });
});
