import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { HostAtRisk } from '#contracts/ipc/at-risk.ts';
import { renderAtRisk, renderAtRiskOf } from '../../../../supervisor/cli/render-at-risk.ts';
import type { AtRiskAnswer } from '../../../../supervisor/control/at-risk.ts';

const at = '2026-11-26T03:15:02.123Z';
const b: HostAtRisk = {
  ...{ nodeId: 'b', holds: { epoch: 5, sequence: 12 }, total: 3, isWhole: true, unknown: null },
  names: [
    { path: 'in/invoice.csv', change: 'stored' },
    { path: 'old.csv', change: 'removed' },
  ],
};
const answer: AtRiskAnswer = {
  ...{ mode: 'sync', leader: 'a', inSync: ['a', 'c'], told: { by: 'a', at, ageMs: 0 }, isLive: true },
  ...{ hosts: [b], takenOverWithout: null },
};

describe('`replication at-risk` for people', () => {
  it('says who lacks what, up to when it has everything, and how much is not shown', () => {
    assert.equal(
      renderAtRisk(answer),
      `as a knows now, which leads
everything that was acknowledged is on a, c
b may lack 3 names; it has everything up to 5/12
There                Path
not there, or older  in/invoice.csv
there still          old.csv
and 1 more that changed before these`,
    );
  });

  it('says that nothing is at risk', () => {
    const text = renderAtRisk({ ...answer, hosts: [] });
    assert.equal(text, 'as a knows now, which leads\neverything that was acknowledged is on a, c');
  });

  it('does not say of a mode in which nothing waits that other hosts have everything', () => {
    const text = (mode: 'async' | 'shared') => renderAtRisk({ ...answer, mode, hosts: [] }).split('\n')[1];
    assert.match(String(text('async')), /nothing waits for other hosts.*may be on a alone/);
    assert.equal(text('shared'), 'all hosts use the same files');
  });

  it('says whose word it is, how old, and what is not in it', () => {
    const told = { by: 'a', at, ageMs: 61_000 };
    const elsewhere = renderAtRisk({ ...answer, told, isLive: false });
    assert.match(elsewhere, /^as a told at 2026-\S+ \(61 s ago\), which leads$/m);
    const gone = renderAtRisk({ ...answer, leader: null, told, isLive: false });
    assert.match(gone, /when it led; what was acknowledged since then is not in it$/m);
    assert.match(renderAtRisk({ ...answer, told: null, hosts: [] }), /^no leader has told yet/);
  });

  it('says what is not known, and why', () => {
    const unknown = { ...b, holds: null, names: [], total: 0, unknown: 'it was away for too long' };
    assert.match(renderAtRisk({ ...answer, hosts: [unknown] }), /b lacks is not known: it was away/);
    assert.match(renderAtRisk({ ...answer, hosts: [{ ...b, isWhole: false }] }), /at least 3 names/);
    assert.match(renderAtRisk({ ...answer, inSync: [] }), /no host is known to have everything/);
  });

  it('says what a host lacked that was made to lead by force', () => {
    const takenOverWithout = { host: b, by: 'a', at, epoch: 9 };
    const text = renderAtRisk({ ...answer, hosts: [], takenOverWithout });
    assert.match(text, /b was made to lead by force, at epoch 9. Before it, as a told at 2026/);
    assert.match(text, /in\/invoice.csv/);
  });

  it('says before a forced failover what the host may lack', () => {
    assert.match(renderAtRiskOf('b', answer), /in\/invoice.csv/);
    assert.match(renderAtRiskOf('c', answer), /of c nothing was told/);
  });
});
