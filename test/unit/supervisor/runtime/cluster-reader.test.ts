import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import pino from 'pino';
import { ClusterReader } from '../../../../supervisor/runtime/cluster-reader.ts';
import type { ClusterStore, ClusterWatcher } from '../../../../supervisor/runtime/ports.ts';
import { view } from '../core/leadership/host.ts';
import { noting, settle } from './parts.ts';

/** A reader whose reads and rests end when the test says so. */
function begin() {
  const reads: ((read: ReturnType<typeof view>) => void)[] = [];
  const rests: (() => void)[] = [];
  const views: number[] = [];
  const lines: string[] = [];
  let watcher: ClusterWatcher | null = null;
  const store = noting<ClusterStore>([], {
    read: () => new Promise((resolve) => reads.push(resolve)),
    watch: (told: ClusterWatcher) => {
      watcher = told;
    },
  });
  const after = (ms: number, end: () => void) => {
    if (ms < 1000) rests.push(end);
    return () => {};
  };
  const reader = new ClusterReader({
    store,
    timers: { after, every: () => () => {}, afterFullPoll: () => {} },
    everyMs: 1000,
    onView: ({ revision }) => views.push(revision),
    onLeader: () => {},
    log: pino({ level: 'error' }, { write: (line) => lines.push(line) }),
  });
  const over = new AbortController();
  void reader.run(over.signal);
  const change = () => (watcher ?? assert.fail()).onChange();
  const answer = async (parts: Parameters<typeof view>[0] = {}) => {
    (reads.at(-1) ?? assert.fail())(view(parts));
    await settle();
  };
  return { reads, rests, views, lines, reader, change, answer, over };
}

describe('reading the cluster state', () => {
  it('goes on with one more read when it was asked for meanwhile, and only one', async () => {
    const { reads, reader, answer, views, over } = begin();
    reader.readSoon();
    reader.readSoon();
    assert.equal(reads.length, 1);
    await answer({ revision: 5 });
    assert.equal(reads.length, 2);
    await answer({ revision: 6 });
    assert.deepEqual([reads.length, views], [2, [5, 6]]);
    reader.readSoon();
    assert.equal(reads.length, 3, 'and again later');
    over.abort();
  });

  it('follows a swarm of changes with a read at once and one after a rest', async () => {
    const { reads, rests, change, answer, over } = begin();
    await answer();
    change();
    assert.equal(reads.length, 2, 'at once');
    await answer();
    change();
    change();
    assert.equal(reads.length, 2);
    rests.shift()?.();
    assert.equal(reads.length, 3);
    await answer();
    rests.shift()?.();
    assert.equal(reads.length, 3, 'nothing changed meanwhile');
    change();
    assert.equal(reads.length, 4);
    over.abort();
  });

  it('says once what cannot be read', async () => {
    const { reader, answer, lines, over } = begin();
    const problems = [{ key: '/holdfast/lab/era', what: 'is not JSON' }];
    await answer({ problems });
    reader.readSoon();
    await answer({ problems });
    assert.equal(lines.length, 1);
    reader.readSoon();
    await answer({ problems: [] });
    reader.readSoon();
    await answer({ problems });
    assert.equal(lines.length, 2);
    over.abort();
  });
});
