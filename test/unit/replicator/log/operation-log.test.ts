import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { FormatError } from '#contracts/bytes.ts';
import type { LocalRecord } from '../../../../replicator/core/local-record.ts';
import { logStart } from '../../../../replicator/core/position.ts';
import type { LogRecord } from '../../../../replicator/core/record.ts';
import { encodeBatch, readBatch } from '../../../../replicator/log/batch.ts';
import { DiskFolder } from '../../../../replicator/log/log-files.ts';
import { OperationLog } from '../../../../replicator/log/operation-log.ts';
import { Random } from '../../../sim/timeline.ts';
import {
  logOptions,
  openLed,
  openLog,
  payloadsOf,
  readAll,
  removal,
  sinceCheckpoint,
  summary,
} from './opened-log.ts';
import { leadership, randomLocalRecord, randomRecords } from './random-records.ts';
import { VirtualDisk } from './virtual-disk.ts';

const opened: LocalRecord = { kind: 'opened', handle: 1, inode: 2n ** 63n };

function open(handle: number, path: string): LogRecord {
  return {
    kind: 'open',
    handle,
    path: Buffer.from(path),
    created: true,
    truncate: false,
    mode: 0o644,
    otherNames: [],
  };
}

describe('the operation log', () => {
  it('begins empty, and knows after a restart what it knew before', async () => {
    const disk = new VirtualDisk();
    const log = await openLog(disk);
    assert.deepEqual(log.position, logStart);
    assert.equal(log.lastCheckpoint.state.toString(), 'state');
    log.append([leadership(4, logStart), open(1, 'a/b'), removal('x')]);
    log.append([{ kind: 'rename', from: Buffer.from('a'), to: Buffer.from('c') }], [opened]);
    log.append([leadership(9, log.position), open(1, 'f'), open(2, 'g'), removal('g')]);
    log.appendLocal([opened]);
    assert.deepEqual(log.position, { epoch: 9, sequence: 8 });
    assert.deepEqual(log.epochs, [
      { epoch: 4, first: 1 },
      { epoch: 9, first: 5 },
    ]);
    assert.deepEqual(
      log.handles,
      new Map([
        [1, { path: Buffer.from('f'), inode: 2n ** 63n }],
        [2, { path: null, inode: null }],
      ]),
    );
    const again = await openLog(disk.afterCrash());
    assert.deepEqual(summary(again), summary(log));
    assert.equal(again.torn, null);
    const entries = await sinceCheckpoint(again);
    assert.deepEqual(
      entries.map((entry) => (entry.kind === 'local' ? entry.records : entry.batch.last)),
      [3, [opened], 4, 8, [opened]],
    );
  });

  it('holds random records, over restarts and many segments, as they were appended', async () => {
    const random = new Random(21);
    let disk = new VirtualDisk();
    let log = await openLog(disk, { segmentBytes: 2000 });
    const payloads: string[] = [];
    for (let round = 0; round < 400; round += 1) {
      const local = random.chance(0.3) ? [randomLocalRecord(random)] : [];
      const records = randomRecords(random);
      const first = log.position.epoch === 0 || random.chance(0.05);
      const { payload } = log.append(
        first ? [leadership(log.position.epoch + 1, log.position), ...records] : records,
        local,
      );
      payloads.push(payload.toString('hex'));
      if (random.chance(0.1)) log.appendLocal([randomLocalRecord(random)]);
      if (random.chance(0.05)) await log.flush();
      if (random.chance(0.05)) {
        const known = summary(log);
        disk = disk.afterCrash();
        log = await openLog(disk, { segmentBytes: 2000 });
        assert.deepEqual(summary(log), known);
      }
    }
    assert.ok(disk.names().length > 10);
    assert.deepEqual(await payloadsOf(log), payloads);
    await log.verify();
    for (const index of [0, 17, 200, 399]) {
      const first = readBatch(Buffer.from(payloads[index] ?? '', 'hex')).first;
      assert.deepEqual(await payloadsOf(log, first), payloads.slice(index));
    }
  });

  it('is byte for byte the same on a follower, which has its own records between', async () => {
    const random = new Random(22);
    const leader = await openLed(new VirtualDisk());
    const follower = await openLog(new VirtualDisk(), { segmentBytes: 1500 });
    for (let round = 0; round < 50; round += 1) leader.append(randomRecords(random));
    for (const { payload } of await readAll(leader)) {
      const { records } = follower.appendBatch(payload, [randomLocalRecord(random)]);
      assert.deepEqual(records, readBatch(payload).records);
    }
    assert.deepEqual(await payloadsOf(follower), await payloadsOf(leader));
    assert.deepEqual(follower.chain, leader.chain);
    assert.deepEqual(follower.position, leader.position);
  });

  it('takes only the batch that comes next', async () => {
    const leader = await openLed(new VirtualDisk());
    const follower = await openLog(new VirtualDisk());
    leader.append([removal('a')]);
    leader.append([removal('b')]);
    const [first, second, third] = await readAll(leader);
    assert.ok(first && second && third);
    const refused = (payload: Buffer, reason: string) => {
      assert.throws(() => follower.appendBatch(payload), { name: 'LogMismatch', reason });
    };
    refused(second.payload, 'gap');
    follower.appendBatch(first.payload);
    refused(first.payload, 'held');
    refused(third.payload, 'gap');
    const position = { epoch: 1, sequence: 1 };
    refused(encodeBatch(1, position, Buffer.alloc(16, 7), [removal('a')]), 'chain');
    refused(encodeBatch(2, position, first.chain, [removal('a')]), 'leadership');
    refused(encodeBatch(1, position, first.chain, [leadership(1, position)]), 'leadership');
    refused(encodeBatch(3, position, first.chain, [leadership(2, position)]), 'leadership');
    refused(encodeBatch(2, position, first.chain, [leadership(2, { epoch: 1, sequence: 2 })]), 'leadership');
    assert.throws(
      () => follower.appendBatch(second.payload.subarray(0, second.payload.length - 1)),
      FormatError,
    );
    assert.deepEqual(follower.position, position, 'nothing of it was taken');
    assert.equal((await readAll(follower)).length, 1);
    follower.appendBatch(second.payload);
    follower.appendBatch(third.payload);
    assert.deepEqual(follower.chain, leader.chain);
  });

  it('keeps what it may pass over, and stops at what it may not', async () => {
    const disk = new VirtualDisk();
    const log = await openLed(disk);
    const unknown = { kind: 'unknown', number: 0x8042, body: Buffer.from('later') } as const;
    const { payload } = log.append([unknown, removal('a')]);
    assert.deepEqual(
      readBatch((await readAll(await openLog(disk.afterCrash())))[1]?.payload ?? payload).records,
      [unknown, removal('a')],
    );
    const needed = Buffer.from(payload);
    needed.writeUInt16BE(0x0042, 36);
    const follower = await openLed(new VirtualDisk());
    assert.throws(() => follower.appendBatch(needed), { code: 'FORMAT_UNKNOWN' });
  });

  it('knows the chain value where batches end, and nowhere else', async () => {
    const log = await openLed(new VirtualDisk(), { segmentBytes: 400 });
    const chains = new Map([[1, log.chain.toString('hex')]]);
    for (let round = 0; round < 30; round += 1) {
      const { last, chain } = log.append([removal(`a${round}`), removal('b')]);
      chains.set(last, chain.toString('hex'));
    }
    for (let sequence = 1; sequence <= 61; sequence += 1) {
      const chain = await log.chainAt(sequence);
      assert.equal(chain?.toString('hex'), chains.get(sequence), String(sequence));
    }
    assert.equal(await log.chainAt(62), null);
    assert.deepEqual(await log.chainAt(0), Buffer.alloc(16));
  });

  it('is dropped from its beginning by size, and says how far it reaches', async () => {
    const disk = new VirtualDisk();
    const log = await openLed(disk, { segmentBytes: 1000, maxBytes: 20_000, aheadBytes: 8 });
    for (let round = 0; round < 500; round += 1) {
      log.append([leadership(round + 2, log.position), removal(`name-${round}`)]);
      if (round % 10 === 0) await log.flush();
    }
    await log.flush();
    assert.ok(disk.usedBytes <= 20_000 + 2000, `${disk.usedBytes} bytes`);
    const { start } = log;
    assert.ok(start.sequence > 500);
    assert.equal((await readAll(log, start.sequence + 1))[0]?.first, start.sequence + 1);
    await assert.rejects(readAll(log, start.sequence), { code: 'LOG_NO_LONGER_REACHES' });
    assert.ok((await log.chainAt(start.sequence)) !== null);
    assert.equal(await log.chainAt(start.sequence - 2), null);
    assert.ok((log.epochs[0]?.first ?? 0) <= start.sequence, 'the leadership at the beginning is known');
    assert.ok((log.epochs[1]?.first ?? 0) > start.sequence, 'those before are forgotten');
    const again = await openLog(disk.afterCrash());
    assert.deepEqual(summary(again), summary(log));
    await again.verify();
  });

  it('is dropped from its beginning by age', async () => {
    let now = 1_000_000;
    const log = await openLed(new VirtualDisk(), { segmentBytes: 300, maxAgeMs: 1000, wallMs: () => now });
    for (let round = 0; round < 20; round += 1) log.append([removal(`name-${round}`)]);
    await log.flush();
    assert.equal(log.start.sequence, 0);
    now += 2000;
    for (let round = 0; round < 4; round += 1) log.append([removal(`name-${round}`)]);
    await log.flush();
    const { start } = log;
    assert.ok(start.sequence > 10 && start.sequence < 25, `${start.sequence}`);
  });

  it('keeps what is pinned, and what is not on the disk', async () => {
    const options = { segmentBytes: 300, maxBytes: 1000, aheadBytes: 8 };
    const log = await openLed(new VirtualDisk(), options);
    const append = (count: number) => {
      for (let round = 0; round < count; round += 1) log.append([removal(`name-${round}`)]);
    };
    append(50);
    assert.equal(log.start.sequence, 0, 'not flushed');
    const pin = log.pin(20);
    await log.flush();
    assert.ok(log.start.sequence <= 20 && log.start.sequence > 10, `${log.start.sequence}`);
    assert.equal((await readAll(log, 21)).length, 31);
    pin.moveTo(40);
    append(1);
    await log.flush();
    assert.ok(log.start.sequence <= 40 && log.start.sequence > 30, `${log.start.sequence}`);
    pin.release();
    await log.flush();
    assert.ok(log.start.sequence > 40);
  });

  it('is read on while it is written and dropped; a reader that is too slow is told', async () => {
    const disk = new VirtualDisk();
    const log = await openLed(disk, { segmentBytes: 300, maxBytes: 1000, aheadBytes: 8 });
    for (let round = 0; round < 8; round += 1) log.append([removal(`name-${round}`)]);
    await log.flush();
    const reader = log.read(log.start.sequence + 1);
    const first = await reader.next();
    assert.equal(first.value?.first, log.start.sequence + 1);
    const openBefore = disk.openFiles;
    for (let round = 0; round < 30; round += 1) log.append([removal(`name-${round}`)]);
    await log.flush();
    await assert.rejects(
      (async () => {
        for await (const _ of reader);
      })(),
      { code: 'LOG_NO_LONGER_REACHES' },
    );
    const follower = log.read(log.position.sequence);
    assert.equal((await follower.next()).value?.last, log.position.sequence);
    log.append([removal('later')]);
    assert.equal((await follower.next()).value?.last, log.position.sequence, 'up to the end at that time');
    assert.ok((await follower.next()).done);
    await log.close();
    assert.equal(disk.openFiles, 0, `${openBefore} were open`);
  });

  it('gives its local records up with a checkpoint, and has the state instead', async () => {
    let state = 'first';
    const disk = new VirtualDisk();
    const log = await openLed(disk, { checkpointState: () => Buffer.from(state) });
    log.appendLocal([{ kind: 'active', directories: [Buffer.from('a')], files: [], trees: [] }]);
    log.append([open(7, 'a/b')]);
    state = 'second';
    log.checkpoint();
    log.append([removal('z')]);
    const again = await openLog(disk.afterCrash());
    assert.equal(again.lastCheckpoint.state.toString(), 'second');
    assert.deepEqual(
      (await sinceCheckpoint(again)).map(({ kind }) => kind),
      ['batch'],
    );
    assert.deepEqual(summary(again), summary(log));
    assert.equal(again.handles.get(7)?.path?.toString(), 'a/b');
  });

  it('takes back what lies behind a position, and goes on there with another history', async () => {
    const disk = new VirtualDisk();
    const log = await openLed(disk, { segmentBytes: 300 });
    log.append([open(1, 'kept')]);
    log.appendLocal([opened]);
    const kept = log.append([removal('a')]);
    const before = { ...(summary(log) as object) };
    for (let round = 0; round < 20; round += 1)
      log.append([open(5, `lost-${round}`), { kind: 'close', handle: 1 }]);
    log.append([leadership(2, log.position), removal('lost')]);
    await assert.rejects(
      log.truncateTo({ epoch: 1, sequence: 4 }, Buffer.alloc(0)),
      RangeError,
      'within a batch',
    );
    await assert.rejects(log.truncateTo({ epoch: 2, sequence: 3 }, Buffer.alloc(0)), RangeError);
    const slow = log.read(2);
    await slow.next();
    await log.truncateTo({ epoch: 1, sequence: 3 }, Buffer.from('cut'));
    assert.deepEqual(summary(log), before);
    assert.deepEqual(log.durable.position, { epoch: 1, sequence: 3 });
    await assert.rejects(slow.next(), { code: 'LOG_NO_LONGER_REACHES' });
    // On the disk already.
    const cut = await openLog(disk.afterPowerCut(new Random(1)));
    assert.deepEqual(summary(cut), before);
    assert.equal(cut.lastCheckpoint.state.toString(), 'cut');
    log.append([leadership(7, log.position), removal('other')]);
    for (let round = 0; round < 20; round += 1) log.append([removal(`other-${round}`)]);
    for (const one of [log, await openLog(disk.afterCrash(), { segmentBytes: 300 })]) {
      const batches = await readAll(one, 1);
      assert.deepEqual(
        batches.map(({ epoch }) => epoch),
        [1, 1, 1, ...Array.from({ length: 21 }, () => 7)],
      );
      assert.deepEqual(await one.chainAt(3), kept.chain);
      assert.deepEqual(one.epochs, [
        { epoch: 1, first: 1 },
        { epoch: 7, first: 4 },
      ]);
      await one.verify();
    }
  });

  it('knows how far it reaches when what it took back is dropped', async () => {
    const disk = new VirtualDisk();
    const log = await openLed(disk, { segmentBytes: 300, aheadBytes: 8 });
    for (let round = 0; round < 12; round += 1) log.append([removal(`lost-${round}`)]);
    const files = disk.names().length;
    await log.truncateTo({ epoch: 1, sequence: 3 }, Buffer.alloc(0));
    log.append([leadership(2, log.position)]);
    log.append([leadership(3, log.position), removal('a')]);
    await log.flush();
    // Only the first segment holds what counts.
    const pin = log.pin(3);
    const tight = { segmentBytes: 300, aheadBytes: 8, maxBytes: 1 };
    const again = await openLog(disk.afterCrash(), tight);
    const other = again.pin(3);
    await again.flush();
    for (const one of [log, again]) {
      assert.equal(one.start.sequence, one === log ? 0 : 3);
      assert.deepEqual(
        (await readAll(one, 4)).map(({ epoch }) => epoch),
        [2, 3],
      );
      assert.deepEqual(
        one.epochs.map(({ epoch }) => epoch),
        [1, 2, 3],
      );
    }
    assert.ok(files > 2);
    pin.release();
    other.release();
  });

  it('takes nothing while it is cut', async () => {
    const log = await openLed(new VirtualDisk());
    await log.flush();
    const cut = log.truncateTo(log.position, Buffer.alloc(0));
    await new Promise(setImmediate);
    await cut;
    const other = log.truncateTo(log.position, Buffer.alloc(0));
    await log.flush();
    assert.throws(() => log.append([removal('a')]), /being cut/);
    await other;
    log.append([removal('a')]);
  });

  it('begins anew at a position, whatever was there', async () => {
    const disk = new VirtualDisk();
    const leader = await openLed(new VirtualDisk());
    for (let round = 0; round < 20; round += 1) leader.append([open(round, `n-${round}`)]);
    const log = await openLed(disk, { segmentBytes: 300 });
    for (let round = 0; round < 20; round += 1) log.append([removal(`n-${round}`)]);
    await log.close();
    for (const name of disk.names()) disk.content(name).fill(0xee);
    await assert.rejects(openLog(disk), { code: 'LOG_DAMAGED' });
    const { position, chain, epochs, handles } = leader;
    const state = Buffer.from('compared');
    const anew = await OperationLog.startAnew(disk, logOptions, { position, chain, epochs, handles, state });
    assert.deepEqual(anew.handles, leader.handles);
    assert.equal(disk.names().length, 1, 'the old one is gone');
    anew.appendBatch(leader.append([removal('x')]).payload);
    const again = await openLog(disk.afterPowerCut(new Random(3)), { heldAtLeast: position.sequence });
    assert.equal(again.lastCheckpoint.state.toString(), 'compared');
    assert.equal(await again.chainAt(5), null);
  });

  it('refuses the log of another cluster or root', async () => {
    const disk = new VirtualDisk();
    await (await openLed(disk)).close();
    await assert.rejects(openLog(disk, { identity: 'cluster/other' }), { code: 'ROOT_FOREIGN' });
    await openLog(disk);
  });

  it('refuses records that are out of bounds before it writes anything', async () => {
    const log = await openLed(new VirtualDisk());
    assert.throws(() => log.append([removal('a'), removal('../b')]), FormatError);
    assert.throws(() => log.append([]), FormatError);
    assert.throws(() => log.append([removal('a')], [{ kind: 'applied', sequence: -1 }]), FormatError);
    assert.throws(() => log.append([leadership(1, log.position)]), { name: 'LogMismatch' });
    assert.equal(log.position.sequence, 1);
    assert.equal((await readAll(log)).length, 1);
  });
});

describe('the operation log on a real disk', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-log-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  it('is the same', async () => {
    const random = new Random(31);
    const options = { ...logOptions, segmentBytes: 20_000, aheadBytes: 1 << 20 };
    let log = await OperationLog.open(new DiskFolder(folder), options);
    log.append([leadership(1, log.position)]);
    for (let round = 0; round < 300; round += 1)
      log.append(randomRecords(random), [randomLocalRecord(random)]);
    assert.deepEqual((await log.flush()).position, log.position);
    assert.deepEqual(log.durable.position, log.position);
    for (let round = 0; round < 300; round += 1) log.append(randomRecords(random));
    const known = summary(log);
    const payloads = await payloadsOf(log);
    await log.close();
    log = await OperationLog.open(new DiskFolder(folder), { ...options, heldAtLeast: log.position.sequence });
    assert.deepEqual(summary(log), known);
    assert.deepEqual(await payloadsOf(log), payloads);
    await log.truncateTo({ epoch: 1, sequence: 1 }, Buffer.alloc(0));
    await log.close();
    log = await OperationLog.open(new DiskFolder(folder), options);
    assert.equal((await payloadsOf(log)).length, 1);
    await log.close();
  });
});
