import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import pino from 'pino';
import { EtcdPlacementObserver } from '../../../../supervisor/observers/etcd-placement.ts';
import { Host } from '../core/leadership/host.ts';

describe('the leadership of etcd', () => {
  it('is moved from the leader for as long as it leads, and no longer', () => {
    let asked = 0;
    const due = new Map<number, () => void>();
    let next = 0;
    const placement = {
      leaveThisHost: async () => {
        asked += 1;
        return null;
      },
    };
    const after = (_ms: number, run: () => void) => {
      const id = next++;
      due.set(id, run);
      return () => due.delete(id);
    };
    const elapse = () => {
      const [entry] = due;
      if (entry === undefined) return;
      due.delete(entry[0]);
      entry[1]();
    };
    const timers = { after, every: () => () => {}, afterFullPoll: () => {} };
    const observer = new EtcdPlacementObserver(placement, timers, pino({ level: 'silent' }));
    const [standby, leader] = [new Host().ready(), new Host().leading(200)];
    observer.onDecision(standby.state);
    assert.equal(due.size, 0);
    observer.onDecision(leader.state);
    observer.onDecision(leader.state);
    assert.equal(due.size, 1);
    elapse();
    elapse();
    assert.equal(asked, 2, 'again and again');
    observer.onDecision(standby.state);
    assert.equal(due.size, 0, 'called off');
    observer.onDecision(leader.state);
    assert.equal(due.size, 1, 'and begun again');
  });
});
