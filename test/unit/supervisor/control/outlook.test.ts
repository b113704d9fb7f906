import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Outlook, outlookOf } from '../../../../supervisor/control/outlook.ts';
import type { Status } from '../../../../supervisor/control/status.ts';
import { fact, hostOf, never, old, reason, statusOfA, statusOfB } from './statuses.ts';

const paused = { by: 'x on a', at: '2026-11-26T03:00:00.000Z', reason: '', leader: 'a' };
const nobody = { leader: null, phase: 'standby', epoch: 0 } as const;
const standbys = [hostOf('a'), hostOf('b'), hostOf('c')];
const helpless = ['a', 'b', 'c'].map((node) => hostOf(node, { ineligible: [reason('NOT_IN_SYNC')] }));

interface Expected {
  verdict: Outlook['verdict'];
  leader: RegExp;
  asOf?: RegExp;
  mayLead: string;
  succession: RegExp;
  warnings?: string[];
  next?: string[];
}

const situations: [what: string, status: Status, expected: Expected][] = [
  [
    'all is well',
    statusOfA(),
    {
      verdict: 'led',
      leader: /^a leads at epoch 200/,
      mayLead: 'yes yes yes',
      succession: /^If a died now, b or c would take over when its lease ends\.$/,
    },
  ],
  [
    'priorities name one of them',
    statusOfA({ hosts: [hostOf('a', { role: 'leader' }), hostOf('b'), hostOf('c', { priority: 200 })] }),
    { verdict: 'led', leader: /^a leads/, mayLead: 'yes yes yes', succession: /^If a died now, c would/ },
  ],
  [
    'a standby that etcd does not answer any more: what it knew is told as what was',
    statusOfB({ view: old }),
    {
      verdict: 'unknown',
      leader: /^Who leads is not known: a led at epoch 200 12 s ago\.$/,
      asOf: /^as of 12 s ago; etcd does not answer/,
      mayLead: 'unknown unknown unknown',
      succession: /not known/,
    },
  ],
  [
    'a former leader that is cut off and has stepped down',
    statusOfA({
      view: old,
      phase: 'standby',
      epoch: 0,
      leaseLeftMs: -9500,
      ineligible: [reason('NO_LEASE')],
      hosts: [hostOf('a', { role: 'leader', ineligible: [reason('NO_LEASE')] }), hostOf('b'), hostOf('c')],
    }),
    {
      verdict: 'unknown',
      leader: /^Who leads is not known: a led/,
      asOf: /12 s ago/,
      mayLead: 'no unknown unknown',
      succession: /not known/,
    },
  ],
  [
    'a former leader that is cut off, between the end of its service and the age at which views are stale',
    statusOfA({ view: { ...old, ageMs: 2700 }, phase: 'stepping-down', leaseLeftMs: 300 }),
    {
      verdict: 'leaderless',
      leader: /^Nobody leads: a has stepped down\.$/,
      asOf: /^as of 3 s ago/,
      mayLead: 'yes yes yes',
      succession: /b or c may take over/,
    },
  ],
  [
    'a leader whose lease is renewed while it cannot read: it leads, and knows nothing of the others',
    statusOfA({ view: old }),
    {
      verdict: 'led',
      leader: /^a leads/,
      asOf: /12 s ago/,
      mayLead: 'unknown unknown unknown',
      succession: /not known/,
    },
  ],
  [
    'a host that started without etcd',
    statusOfB({
      view: never,
      leader: null,
      inSync: [],
      hosts: [hostOf('b', { role: 'away', ineligible: [reason('CLUSTER_UNKNOWN')] })],
    }),
    {
      verdict: 'unknown',
      leader: /^Who leads is not known\.$/,
      asOf: /not answered this host since/,
      mayLead: 'no',
      succession: /not known/,
    },
  ],
  [
    'the leader key cannot be read',
    statusOfB({ leader: { node: 'unreadable', epoch: 7, since: '', cause: 'unknown' } }),
    {
      verdict: 'unknown',
      leader: /cannot be read/,
      mayLead: 'yes yes yes',
      succession: /not known/,
      next: ['holdfast etcd mend leader'],
    },
  ],
  [
    'nobody leads, and hosts may',
    statusOfB({ ...nobody, hosts: standbys }),
    {
      verdict: 'leaderless',
      leader: /^Nobody leads\.$/,
      mayLead: 'yes yes yes',
      succession: /^a or b or c may take over by itself/,
    },
  ],
  [
    'nobody leads, and no host may',
    statusOfB({ ...nobody, hosts: helpless }),
    {
      verdict: 'leaderless',
      leader: /^Nobody leads/,
      mayLead: 'no no no',
      succession: /^No host may/,
      next: ['holdfast failover'],
    },
  ],
  [
    'nobody leads, since the cluster is paused',
    statusOfB({ ...nobody, hosts: standbys, paused }),
    {
      verdict: 'leaderless',
      leader: /^Nobody leads/,
      mayLead: 'yes yes yes',
      succession: /paused, but for a/,
      next: ['holdfast resume'],
    },
  ],
  [
    'etcd went back',
    statusOfB({
      ...nobody,
      hosts: standbys.map((host) => ({ ...host, ineligible: [reason('ETCD_WENT_BACK')] })),
    }),
    {
      verdict: 'leaderless',
      leader: /^Nobody/,
      mayLead: 'no no no',
      succession: /^No host/,
      next: ['holdfast accept-etcd'],
    },
  ],
  [
    'a host that is left out until somebody clears it',
    statusOfA({
      hosts: [
        hostOf('a', { role: 'leader' }),
        hostOf('b', { ineligible: [reason('PROMOTIONS_FAILED')] }),
        hostOf('c'),
      ],
    }),
    {
      verdict: 'led',
      leader: /^a leads/,
      mayLead: 'yes no yes',
      succession: /c would take over/,
      next: ['holdfast clear'],
    },
  ],
  [
    'the leader is the last in sync',
    statusOfA({
      inSync: ['a'],
      hosts: [
        hostOf('a', { role: 'leader' }),
        hostOf('b', { inSync: false, role: 'away' }),
        hostOf('c', { inSync: false, ineligible: [reason('NOT_IN_SYNC')] }),
      ],
    }),
    {
      verdict: 'led',
      leader: /^a leads/,
      mayLead: 'yes no no',
      succession: /nobody would take over: see `holdfast failover`/,
      warnings: ['NO_SUCCESSOR'],
    },
  ],
  [
    'etcd has no member to spare',
    statusOfB({ health: [fact('ETCD_NO_SPARE'), fact('DISK_LOW')] }),
    {
      verdict: 'led',
      leader: /^a leads/,
      mayLead: 'yes yes yes',
      succession: /would take over when its lease ends, if no etcd member dies with it\.$/,
      warnings: ['ETCD_NO_SPARE'],
    },
  ],
  [
    'etcd has lost its majority',
    statusOfB({ view: old, health: [fact('ETCD_NO_MAJORITY', 'bad')] }),
    {
      verdict: 'unknown',
      leader: /not known/,
      asOf: /as of/,
      mayLead: 'unknown unknown unknown',
      succession: /not known/,
      warnings: ['ETCD_NO_MAJORITY'],
    },
  ],
  [
    'this host is being promoted',
    statusOfA({ phase: 'promoting' }),
    { verdict: 'led', leader: /is putting the service up/, mayLead: 'yes yes yes', succession: /b or c/ },
  ],
];

describe('the outlook', () => {
  it('goes by the own lease of a host only while it lasts', () => {
    const cutOff = statusOfA({ view: old, hosts: helpless });
    assert.equal(outlookOf(cutOff).verdict, 'led');
    assert.deepEqual(outlookOf(cutOff).warnings, [], 'who could take over is not known');
    for (const leaseLeftMs of [0, -10, null]) {
      assert.equal(outlookOf({ ...cutOff, leaseLeftMs }).verdict, 'unknown', `${leaseLeftMs}`);
    }
  });

  it('names nobody who is not in sync', () => {
    const hosts = [hostOf('a', { role: 'leader' }), hostOf('b', { inSync: false }), hostOf('c')];
    assert.match(outlookOf(statusOfA({ hosts })).succession, /died now, c would/);
  });

  for (const [what, status, expected] of situations) {
    it(`when ${what}`, () => {
      const outlook = outlookOf(status);
      assert.equal(outlook.verdict, expected.verdict);
      assert.match(outlook.leader, expected.leader);
      if (expected.asOf === undefined) assert.equal(outlook.asOf, null);
      else assert.match(outlook.asOf ?? '', expected.asOf);
      assert.equal(Object.values(outlook.mayLead).join(' '), expected.mayLead);
      assert.match(outlook.succession, expected.succession);
      assert.deepEqual(
        outlook.warnings.map(({ code }) => code),
        expected.warnings ?? [],
      );
      assert.deepEqual(
        outlook.nextSteps.map(({ command }) => command),
        expected.next ?? [],
      );
    });
  }
});
