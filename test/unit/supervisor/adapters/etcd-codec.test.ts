import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { IKeyValue, IRangeResponse } from 'etcd3';
import { viewOf } from '../../../../supervisor/adapters/etcd/codec.ts';

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

const none = range();
const leader = { node: 'a', since: 's', cause: 'claimed', handedOverBy: null };

describe('the view of the cluster', () => {
  it('takes epoch and lease from the key, not from its value', () => {
    const view = viewOf(9, 0, [range(['leader', leader, 42]), none, none, none]);
    assert.deepEqual(view.leader, { ...leader, epoch: 42, leaseId: '77' });
    assert.deepEqual(view.problems, []);
  });

  it('reports a foreign leader value by key, and lets it lead nobody of ours', () => {
    const view = viewOf(9, 0, [range(['leader', 'garbage {']), none, none, none]);
    assert.equal(view.leader?.node, 'unreadable');
    assert.deepEqual(view.problems, [{ key: '/holdfast/demo/leader', what: 'is not JSON' }]);
  });

  it('never takes a corrupt in-sync set for a new cluster', () => {
    const view = viewOf(9, 0, [none, range(['insync', { members: 'all' }]), none, none]);
    assert.deepEqual(view.inSync?.members, []);
    assert.equal(view.problems.length, 1);
  });

  it('does not let one host speak for another', () => {
    const peer = { node: 'b', address: '10.0.0.2', port: 1, publicKey: 'k' };
    const view = viewOf(9, 0, [none, none, none, range(['peers/b', peer], ['peers/c', peer])]);
    assert.deepEqual(
      view.peers.map((entry) => entry.node),
      ['b'],
    );
    assert.equal(view.problems[0]?.key, '/holdfast/demo/peers/c');
  });

  it('does not read values without measure', () => {
    const view = viewOf(9, 0, [range(['leader', 'x'.repeat(100_000)]), none, none, none]);
    assert.match(view.problems[0]?.what ?? '', /100000 bytes/);
  });
});
