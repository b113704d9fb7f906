import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Config } from '../../../../supervisor/config/schema.ts';
import { nodeRecordOf, peersIn } from '../../../../supervisor/runtime/own-records.ts';
import { Host, leaderOf, liveNode, view } from '../core/leadership/host.ts';

const config = { node: { id: 'a', priority: 100, noFailover: false } } as Config;
const settings = { 'sftp.port': '2222' };
const recordOf = ({ state }: Host) =>
  nodeRecordOf({
    ...{ config, state, ineligible: [], linkAddresses: ['02:00:00:00:00:01'], resync: null },
    health: [
      { name: 'load', level: 'ok', code: '', detail: 'y' },
      { name: 'quarantine', level: 'warn', code: 'QUARANTINED', detail: 'x' },
    ],
  });

describe('what a host tells the others', () => {
  it('is under which leadership clients are served, and only while they are', () => {
    const host = new Host('a', false, settings).ready();
    assert.equal(recordOf(host).serving, 0);
    host.see({ type: 'leader-written', leader: leaderOf('a', 200) });
    assert.deepEqual([host.phase, recordOf(host).serving], ['promoting', 0]);
    const leader = new Host('a', false, settings).leading(200);
    assert.equal(recordOf(leader).serving, 200);
    leader.see({ type: 'lease-gone', id: 'lease-a' });
    assert.deepEqual([leader.phase, recordOf(leader).serving], ['stepping-down', 0]);
  });

  it('has what must be alike on every host, and of its health what is not well', () => {
    const record = recordOf(new Host('a', false, settings));
    assert.deepEqual(record.settings, settings);
    assert.deepEqual(
      record.health.map(({ code }) => code),
      ['QUARANTINED'],
    );
  });

  it('is for its replicator every other host, and whether it lives', () => {
    const peer = (node: string) => ({ node, address: '10.0.0.1', port: 2223, publicKey: 'k' });
    const told = peersIn(
      view({ nodes: [liveNode('a'), liveNode('b')], peers: ['a', 'b', 'c'].map(peer) }),
      'a',
    );
    assert.deepEqual(
      told.map(({ nodeId, alive }) => [nodeId, alive]),
      [
        ['b', true],
        ['c', false],
      ],
    );
  });
});
