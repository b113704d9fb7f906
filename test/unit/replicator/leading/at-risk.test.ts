import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { HoldfastError } from '#contracts/errors.ts';
import type { LogRecord } from '../../../../replicator/core/record.ts';
import { AtRisk, type Standing } from '../../../../replicator/leading/at-risk.ts';
import { emptyChain, encodeBatch } from '../../../../replicator/log/batch.ts';

const created = (handle: number, path: string): LogRecord => ({
  ...{ kind: 'open', handle, path: Buffer.from(path), created: true, truncate: false },
  ...{ mode: 0o644, otherNames: [] },
});

/** A log with one record a batch, in one leadership. */
class Log {
  readonly epochs = [{ epoch: 5, first: 1 }];
  start = { epoch: 0, sequence: 0 };
  readonly records: LogRecord[] = [];
  reads = 0;

  get position() {
    const sequence = this.records.length;
    return { epoch: sequence === 0 ? 0 : 5, sequence };
  }

  async handlesAt() {
    return new Map();
  }

  async *read(from: number) {
    if (from <= this.start.sequence) throw new HoldfastError('LOG_NO_LONGER_REACHES', 'no longer');
    for (let sequence = from; sequence <= this.records.length; sequence++) {
      this.reads += 1;
      const record = this.records[sequence - 1] as LogRecord;
      const previous = { epoch: sequence === 1 ? 0 : 5, sequence: sequence - 1 };
      yield { payload: encodeBatch(5, previous, emptyChain, [record]) } as never;
    }
  }
}

describe('files at risk', () => {
  let log: Log;
  let standings: Standing[];

  const begin = (inSync: readonly string[] = ['a', 'b']) => {
    return new AtRisk(log as never, inSync, () => standings);
  };
  const host = (nodeId: string, parts: Partial<Standing> = {}): Standing => ({
    ...{ nodeId, hasAll: false, flushed: -1, ...parts },
  });
  const paths = async (atRisk: AtRisk, limit = 10) =>
    (await atRisk.ask(limit)).map(({ nodeId, names, unknown }) => [
      nodeId,
      unknown === null ? names.map(({ path }) => path) : unknown,
    ]);

  beforeEach(() => {
    log = new Log();
    log.records.push({ kind: 'leadership', epoch: 5, node: 'a', previous: { epoch: 0, sequence: 0 } });
    standings = [];
  });

  it('are none of a host that everything waits for', async () => {
    const atRisk = begin();
    standings = [host('b', { hasAll: true })];
    log.records.push(created(1, 'x'));
    assert.deepEqual(await atRisk.ask(10), []);
    assert.equal(log.reads, 0, 'and the log is not read');
  });

  it('are those that changed since a host was in sync, as it said or as the leadership found it', async () => {
    log.records.push(created(1, 'before'));
    const atRisk = begin();
    log.records.push(created(2, 'x'), created(3, 'y'));
    standings = [host('b')];
    assert.deepEqual(await paths(atRisk), [['b', ['y', 'x']]]);
    standings = [host('b', { flushed: 3 })];
    assert.deepEqual(await atRisk.ask(10), [
      {
        ...{ nodeId: 'b', holds: { epoch: 5, sequence: 3 }, total: 1, isWhole: true, unknown: null },
        names: [{ path: 'y', change: 'stored' }],
      },
    ]);
    log.records.push(created(4, 'z'));
    assert.deepEqual(await paths(atRisk), [['b', ['z', 'y']]]);
    assert.deepEqual(await paths(atRisk, 1), [['b', ['z']]]);
    standings = [host('b', { flushed: 5 })];
    assert.deepEqual(await paths(atRisk), [['b', []]]);
  });

  it('are told of each of several hosts, also of one that lacks more than those before', async () => {
    const atRisk = begin(['a', 'b', 'c']);
    log.records.push(created(1, 'x'), created(2, 'y'));
    standings = [host('b', { flushed: 2 })];
    assert.deepEqual(await paths(atRisk), [['b', ['y']]]);
    standings = [host('b', { flushed: 2 }), host('c')];
    assert.deepEqual(await paths(atRisk), [
      ['b', ['y']],
      ['c', ['y', 'x']],
    ]);
  });

  it('are read again for a host that lacks what was forgotten, since the others had it', async () => {
    const atRisk = begin(['a', 'b', 'c']);
    log.records.push(created(1, 'x'), created(2, 'y'));
    standings = [host('b'), host('c', { hasAll: true })];
    await atRisk.ask(10);
    standings = [host('b', { flushed: 2 }), host('c', { hasAll: true })];
    assert.deepEqual(await paths(atRisk), [['b', ['y']]]);
    standings = [host('b', { flushed: 2 }), host('c')];
    assert.deepEqual(await paths(atRisk), [
      ['b', ['y']],
      ['c', ['y', 'x']],
    ]);
  });

  it('are not known of a host that follows with less than it was known to have', async () => {
    log.records.push(created(1, 'x'), created(2, 'y'));
    const atRisk = begin();
    standings = [host('b')];
    atRisk.joined('b', 3);
    assert.deepEqual(await paths(atRisk), [['b', []]]);
    atRisk.joined('b', 2);
    assert.match(String((await paths(atRisk))[0]?.[1]), /not been in sync/);
  });

  it('are not known of a host that nobody knows, or for which the log is too short', async () => {
    const atRisk = begin();
    standings = [host('c')];
    assert.match(String((await paths(atRisk))[0]?.[1]), /not been in sync/);
    atRisk.learn([
      { nodeId: 'c', position: { epoch: 4, sequence: 1 } },
      { nodeId: 'd', position: { epoch: 5, sequence: 9 } },
    ]);
    assert.match(String((await paths(atRisk))[0]?.[1]), /not been in sync/, 'of another history');
    standings = [host('d')];
    assert.match(String((await paths(atRisk))[0]?.[1]), /not been in sync/, 'behind the end of this one');
    standings = [host('c')];
    atRisk.learn([{ nodeId: 'c', position: { epoch: 5, sequence: 1 } }]);
    log.records.push(created(1, 'x'));
    assert.deepEqual(await paths(atRisk), [['c', ['x']]]);
    atRisk.forget('c');
    assert.match(String((await paths(atRisk))[0]?.[1]), /not been in sync/, 'it lost what it had');
    standings = [host('b')];
    log.start = { epoch: 5, sequence: 2 };
    assert.match(String((await paths(atRisk))[0]?.[1]), /longer than the log/);
  });

  it('may be more than are told while the log is not read to its end', async () => {
    const atRisk = begin();
    standings = [host('b')];
    for (let handle = 1; handle <= 20_001; handle++) log.records.push(created(handle, 'x'));
    const [part] = await atRisk.ask(10);
    assert.deepEqual([part?.total, part?.isWhole], [1, false]);
    const [all] = await atRisk.ask(10);
    assert.deepEqual([all?.total, all?.isWhole], [1, true]);
  });

  it('are reported while a host is away, and read on from where the last look ended', async () => {
    const atRisk = begin();
    const reported = () => atRisk.reported;
    log.records.push(created(1, 'x'));
    standings = [host('b', { flushed: 2 })];
    await atRisk.look();
    assert.equal(reported(), null, 'not before what an earlier leader knew is told');
    atRisk.learn([]);
    assert.equal(reported(), null);
    await atRisk.look();
    assert.deepEqual([reported(), log.reads], [[], 0]);
    log.records.push(created(2, 'y'));
    await atRisk.look();
    assert.deepEqual([reported(), log.reads], [[], 0], 'what came just now may be on its way');
    await atRisk.look();
    assert.equal(reported()?.[0]?.total, 1, 'a host that flushes nothing, whether or not it is connected');
    const { reads } = log;
    log.records.push(created(3, 'z'));
    await atRisk.look();
    assert.equal(reported()?.[0]?.total, 2);
    assert.equal(log.reads, reads + 1);
    standings = [host('b', { hasAll: true })];
    await atRisk.look();
    assert.deepEqual(reported(), []);
  });
});
