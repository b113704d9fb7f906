import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { IKeyValue, IRangeResponse } from 'etcd3';
import { viewOf } from '../../../../../supervisor/adapters/etcd/codec.ts';
import { endedPause, recordOf } from '../../../../../supervisor/core/records/operation.ts';

function range(...entries: [key: string, value: unknown, modRevision?: number][]): IRangeResponse {
  const kvs = entries.map(
    ([key, value, modRevision = 5]) =>
      ({
        key: Buffer.from(`/holdfast/demo/${key}`),
        value: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
        mod_revision: String(modRevision),
        lease: '77',
      }) as IKeyValue,
  );
  return { kvs } as IRangeResponse;
}

const moment = { revision: 9, sentAtMs: 1000, wallMs: Date.parse('2026-01-01T00:00:10Z'), knownEra: 0 };
const leader = {
  node: 'a',
  since: 's',
  cause: 'claimed',
  handedOverBy: null,
  handOverCause: null,
  operationId: null,
  downMs: null,
};

describe('the view of the cluster', () => {
  it('takes epoch and lease from the key, not from its value', () => {
    const view = viewOf(moment, { leader: range(['leader', leader, 42]) });
    assert.deepEqual(view.leader, { ...leader, epoch: 42, leaseId: '77' });
    assert.deepEqual(view.problems, []);
  });

  it('reports a foreign leader value by key, and lets it lead nobody of ours', () => {
    const view = viewOf(moment, { leader: range(['leader', 'garbage {']) });
    assert.equal(view.leader?.node, 'unreadable');
    assert.deepEqual(view.problems, [{ key: '/holdfast/demo/leader', what: 'is not JSON' }]);
  });

  it('never takes a corrupt in-sync set for a new cluster', () => {
    const view = viewOf(moment, { insync: range(['insync', { members: 'all' }]) });
    assert.deepEqual(view.inSync?.members, []);
    assert.equal(view.problems.length, 1);
  });

  it('does not let one host speak for another', () => {
    const peer = { node: 'b', address: '10.0.0.2', port: 1, publicKey: 'k' };
    const view = viewOf(moment, { 'peers/': range(['peers/b', peer], ['peers/c', peer]) });
    assert.deepEqual(
      view.peers.map((entry) => entry.node),
      ['b'],
    );
    assert.equal(view.problems[0]?.key, '/holdfast/demo/peers/c');
  });

  it('tells where garbage stands in the place of what a host holds', () => {
    const host = { node: 'b', id: 'roots-b', admittedAt: 1, held: { epoch: 1, sequence: 0 }, revision: 1 };
    const hosts = range(['hosts/a', 'gar{bage', 40], ['hosts/b', host, 41], ['hosts/c', host, 42]);
    const view = viewOf(moment, { 'hosts/': hosts });
    assert.deepEqual(
      view.hosts.map(({ node, modRevision }) => [node, modRevision]),
      [['b', 41]],
    );
    assert.deepEqual(view.unreadableHosts, { a: 40, c: 42 });
  });

  it('takes a pause that was ended for none, whose key is there all the same', () => {
    const pause = { by: 'root', at: '2026-01-01T00:00:00Z', reason: '', leader: null };
    const paused = viewOf(moment, { paused: range(['paused', pause, 41]) });
    assert.deepEqual([paused.paused?.by, paused.revisions.paused], ['root', 41]);
    const ended = viewOf(moment, { paused: range(['paused', endedPause, 42]) });
    assert.deepEqual([ended.paused, ended.revisions.paused, ended.unreadable], [null, 42, []]);
  });

  it('does not read values without measure', () => {
    const view = viewOf(moment, { leader: range(['leader', 'x'.repeat(100_000)]) });
    assert.match(view.problems[0]?.what ?? '', /100000 bytes/);
  });

  const operation = {
    id: '0123abcd',
    kind: 'switchover',
    from: 'a',
    to: 'b',
    force: false,
    drainMs: 0,
    requestedBy: 'root',
    requestedAt: '2026-01-01T00:00:00Z',
    at: '2026-01-01T00:01:10Z',
    state: 'pending',
    epoch: 42,
    step: null,
    steps: [],
    cancelledBy: null,
    outcome: null,
  };

  it('reckons when an operation is due by the boot time of who reads it', () => {
    const view = viewOf(moment, { operation: range(['operation', operation, 7]) });
    assert.equal(view.operation?.dueAtMs, 61_000);
    assert.equal(view.operation?.modRevision, 7);
  });

  it('takes a switchover that begins at once to be due, whatever the clock of who asked shows', () => {
    for (const requestedAt of ['2026-01-01T01:00:00Z', '2025-12-31T23:00:00Z']) {
      const asked = { ...operation, at: null, requestedAt };
      const view = viewOf(moment, { operation: range(['operation', asked, 7]) });
      assert.equal(view.operation?.dueAtMs, moment.sentAtMs);
    }
  });

  it('trusts no operation or successor that it cannot read, takes such a pause for one that is in force, and names the keys', () => {
    const view = viewOf(moment, {
      operation: range(['operation', { ...operation, to: '../../x' }]),
      successor: range(['successor', { node: 'b' }]),
      paused: range(['paused', 'yes']),
    });
    assert.deepEqual([view.operation, view.successor, view.paused?.leader], [null, null, null]);
    assert.deepEqual(view.unreadable, ['operation', 'paused', 'successor']);
    assert.deepEqual([view.revisions.operation, view.revisions.paused, view.revisions.era], [5, 5, 0]);
    assert.deepEqual(
      view.problems.map(({ key }) => key).sort(),
      ['operation', 'paused', 'successor'].map((name) => `/holdfast/demo/${name}`),
    );
  });

  it('goes on in the era that was known while its key cannot be read, or in that of the leader', () => {
    const ranges = { era: range(['era', 'x']) };
    assert.equal(viewOf({ ...moment, knownEra: 2 }, ranges).era, 2);
    const led = { ...ranges, leader: range(['leader', { ...leader, era: 3 }]) };
    assert.equal(viewOf({ ...moment, knownEra: 2 }, led).era, 3);
  });

  it('takes a leader key that hangs on no lease for one that would never end, and nobody of ours', () => {
    const held = range(['leader', leader]);
    for (const kv of held.kvs) kv.lease = '0';
    const view = viewOf(moment, { leader: held });
    assert.deepEqual([view.leader?.node, view.unreadable], ['unreadable', ['leader']]);
  });

  it('knows a cluster that has never been led, by all that etcd holds', () => {
    assert.equal(viewOf(moment, {}).isNew, true);
    const counted = (count: string) => ({ kvs: [], count }) as unknown as IRangeResponse;
    assert.equal(viewOf(moment, { 'history/': counted('0') }).isNew, true);
    assert.equal(viewOf(moment, { 'history/': counted('1') }).isNew, false);
    for (const key of ['insync', 'departure', 'era', 'restored', 'format'] as const) {
      assert.equal(viewOf(moment, { [key]: range([key, {}]) }).isNew, false, key);
    }
  });

  it('keeps the fields of a newer release in what is written back', () => {
    const view = viewOf(moment, {
      operation: range(['operation', { ...operation, approvedBy: 'bob' }]),
      paused: range([
        'paused',
        { by: 'x', at: '2026-01-01T00:00:00Z', reason: '', leader: null, until: 'noon' },
      ]),
    });
    assert.ok(view.operation !== null && view.paused !== null);
    assert.equal(recordOf(view.operation).approvedBy, 'bob');
    assert.equal(view.paused.until, 'noon');
  });

  it('counts revisions and epochs on from where an era begins', () => {
    const era = { number: 2, acceptedBy: 'root', acceptedAt: '2026-01-01T00:00:00Z' };
    const view = viewOf(moment, {
      leader: range(['leader', { ...leader, era: 2 }]),
      era: range(['era', era]),
    });
    assert.deepEqual([view.era, view.revision, view.leader?.epoch], [2, 2_000_000_009, 2_000_000_005]);
    // Written before the era began, by a restored snapshot: as old as it is.
    const old = viewOf(moment, { leader: range(['leader', leader]), era: range(['era', era]) });
    assert.equal(old.leader?.epoch, 5);
  });

  it('reports an era and a restore that cannot be read', () => {
    const view = viewOf(moment, {
      era: range(['era', { number: -1 }]),
      restored: range(['restored', 'yes']),
    });
    assert.deepEqual([view.era, view.restored], [0, null]);
    assert.equal(view.problems.length, 2);
  });
});
