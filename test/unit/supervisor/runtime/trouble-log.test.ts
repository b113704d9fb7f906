import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import pino from 'pino';
import { HoldfastError } from '#contracts/errors.ts';
import type { ClusterView } from '../../../../supervisor/core/records/records.ts';
import { ClusterReader } from '../../../../supervisor/runtime/cluster-reader.ts';
import { LeaseLoop } from '../../../../supervisor/runtime/lease-loop.ts';
import type { Clock, ClusterStore, LeaseGrant, Timers } from '../../../../supervisor/runtime/ports.ts';
import { Publisher } from '../../../../supervisor/runtime/publisher.ts';
import { TroubleLog } from '../../../../supervisor/runtime/trouble-log.ts';

const unreachable = new HoldfastError('ETCD_UNREACHABLE', 'no etcd member answered');
const denied = new HoldfastError('ETCD_PERMISSION_DENIED', 'etcd refuses: permission denied');
const ttlRefused = new HoldfastError('ETCD_TTL_REFUSED', 'etcd grants 5 s where lease.ttl asks for 3 s');
const full = new HoldfastError('ETCD_NO_SPACE', 'etcd refuses: database space exceeded');

const clock: Clock = { bootTimeMs: () => 0, wallTimeIso: () => '' };

/** The codes and sentences that were logged, without those for debugging. */
function listen() {
  const told: string[] = [];
  const write = (line: string) => {
    const { code, msg } = JSON.parse(line);
    told.push(code ?? msg);
  };
  return { told, log: pino({ level: 'info' }, { write }) };
}

/** Time passes at once, as often as there is something to try. */
function inTurn<Result>(results: readonly (Result | Error)[]) {
  const ended = new AbortController();
  const left = [...results];
  const next = async (): Promise<Result> => {
    const result = left.shift();
    if (left.length === 0) ended.abort();
    if (result instanceof Error) throw result;
    return result as Result;
  };
  const after = (_ms: number, run: () => void) => {
    setImmediate(run);
    return () => {};
  };
  return { next, signal: ended.signal, timers: { after, every: after } as Timers };
}

describe('trouble with etcd is said once, and again when it is another', () => {
  it('by the lease loop', async () => {
    const { told, log } = listen();
    const granted: LeaseGrant = { leaseId: '7', sentAtMs: 0 };
    const { next, signal, timers } = inTurn([
      ttlRefused,
      ttlRefused,
      unreachable,
      unreachable,
      full,
      granted,
    ]);
    const store = { grantLease: next } as unknown as ClusterStore;
    const silent = { observe: () => {}, remember: () => {} };
    await new LeaseLoop({ store, clock, timers, renewEveryMs: 1, log, ...silent }).run(signal);
    assert.deepEqual(told, [
      'ETCD_TTL_REFUSED',
      'ETCD_UNREACHABLE',
      'ETCD_NO_SPACE',
      'etcd granted a lease',
      'etcd answers again',
    ]);
  });

  it('by who reads, but for what the lease loop says', async () => {
    const { told, log } = listen();
    const view = { problems: [] } as unknown as ClusterView;
    const { next, signal, timers } = inTurn([unreachable, denied, denied, view]);
    const store = { read: next, watch: () => {} } as unknown as ClusterStore;
    const silent = { onView: () => {}, onLeader: () => {} };
    await new ClusterReader({ store, timers, everyMs: 1, log, ...silent }).run(signal);
    assert.deepEqual(told, ['ETCD_PERMISSION_DENIED', 'the cluster state can be read again']);
  });

  it('by who publishes this host, which may read and not write', async () => {
    const { told, log } = listen();
    const { next } = inTurn([unreachable, denied, denied, undefined]);
    const publisher = new Publisher({ publishPeer: next } as unknown as ClusterStore, clock, log);
    const peer = { node: 'a', address: '10.0.0.1', port: 1, publicKey: 'key' };
    for (let turn = 0; turn < 4; turn++) await publisher.publish(null, null, peer);
    assert.deepEqual(told, ['ETCD_PERMISSION_DENIED', 'the record of this host can be published again']);
  });
});

describe('the end of a trouble', () => {
  it('is said once, and the same trouble again when it comes back', () => {
    const { told, log } = listen();
    const trouble = new TroubleLog(log);
    trouble.failed(full);
    trouble.succeeded('it works again');
    trouble.succeeded('it works again');
    trouble.failed(full);
    assert.deepEqual(told, ['ETCD_NO_SPACE', 'it works again', 'ETCD_NO_SPACE']);
  });
});
