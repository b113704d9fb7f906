import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GroupCommit } from '../../../../replicator/log/group-commit.ts';
import type { OperationLog } from '../../../../replicator/log/operation-log.ts';
import { Random } from '../../../sim/timeline.ts';
import { openLed, openLog, readAll, removal, sinceCheckpoint, summary } from './opened-log.ts';
import { leadership } from './random-records.ts';
import { VirtualDisk } from './virtual-disk.ts';

describe('group commit', () => {
  it('has one flush at a time, and the next one covers all who came meanwhile', async () => {
    let written = 0;
    let running = 0;
    let flushes = 0;
    const commit = new GroupCommit(async () => {
      const covered = written;
      flushes += 1;
      running += 1;
      assert.equal(running, 1);
      await new Promise(setImmediate);
      running -= 1;
      return covered;
    });
    const random = new Random(51);
    const waiting: Promise<void>[] = [];
    for (let round = 0; round < 2000; round += 1) {
      written += 1;
      const needed = written;
      waiting.push(
        commit.run().then((covered) => assert.ok(covered >= needed, `${covered} covers ${needed}`)),
      );
      if (random.chance(0.05)) await new Promise(setImmediate);
      // Between the end of one and the beginning of the next.
      if (random.chance(0.05)) await commit.run();
    }
    await Promise.all(waiting);
    assert.ok(flushes < 500, `${flushes} flushes`);
  });

  it('never succeeds again after a failure', async () => {
    const error = new Error('EIO');
    let fail = true;
    const commit = new GroupCommit(async () => {
      await new Promise(setImmediate);
      if (fail) throw error;
    });
    const first = commit.run();
    const second = commit.run();
    await assert.rejects(first, error);
    fail = false;
    await assert.rejects(second, error);
    await assert.rejects(commit.run(), error);
  });
});

describe('flushing the log', () => {
  it('says up to where, and shares flushes', async () => {
    const disk = new VirtualDisk();
    const log = await openLed(disk);
    assert.deepEqual(log.durable.position, { epoch: 0, sequence: 0 });
    await log.flush();
    disk.flushes = 0;
    disk.mostFlushesAtOnce = 0;
    let open: () => void = () => {};
    disk.gate = new Promise((resolve) => {
      open = resolve;
    });
    log.append([removal('a')]);
    let durableAtFirst = 0;
    const first = log.flush().then((durable) => {
      durableAtFirst = log.durable.position.sequence;
      return durable;
    });
    const others = Array.from({ length: 20 }, (_, round) => {
      log.append([removal(`b-${round}`)]);
      return log.flush();
    });
    assert.equal(log.durable.position.sequence, 1, 'not before the disk says so');
    open();
    assert.equal((await first).position.sequence, 2);
    assert.equal(durableAtFirst, 2, 'not what came meanwhile');
    for (const { position } of await Promise.all(others)) assert.equal(position.sequence, 22);
    assert.equal(disk.flushes, 2);
    assert.equal(disk.mostFlushesAtOnce, 1);
    assert.deepEqual(log.durable.position, log.position);
  });

  it('covers segments and names that were begun meanwhile', async () => {
    const disk = new VirtualDisk();
    const log = await openLed(disk, { segmentBytes: 200, aheadBytes: 8 });
    for (let round = 0; round < 10; round += 1) log.append([removal(`name-${round}`)]);
    assert.ok(disk.names().length > 3);
    await log.flush();
    for (let seed = 0; seed < 20; seed += 1) {
      const left = await openLog(disk.afterPowerCut(new Random(seed)), { heldAtLeast: 11 });
      assert.deepEqual(summary(left), summary(log));
    }
  });

  it('of what a new process found is not taken for done', async () => {
    const disk = new VirtualDisk();
    (await openLed(disk, { segmentBytes: 100 })).append([removal('a')]);
    const log = await openLog(disk, { segmentBytes: 100 });
    assert.equal(log.durable.position.sequence, 0);
    assert.equal((await log.flush()).position.sequence, 2);
    const left = await openLog(disk.afterPowerCut(new Random(7)), { heldAtLeast: 2 });
    assert.equal(left.position.sequence, 2);
  });

  it('that failed is the end of the log: no retry, no append', async () => {
    for (const during of ['flush', 'cut'] as const) {
      const disk = new VirtualDisk();
      const log = await openLed(disk);
      await log.flush();
      log.append([removal('a')]);
      disk.failure.sync = 'EIO';
      const failed = { code: 'LOG_FLUSH_FAILED', message: /EIO/ };
      if (during === 'flush') await assert.rejects(log.flush(), failed);
      else await assert.rejects(log.truncateTo(log.position, Buffer.alloc(0)), failed);
      disk.failure = {};
      await assert.rejects(log.flush(), failed);
      await assert.rejects(log.truncateTo(log.position, Buffer.alloc(0)), failed);
      assert.throws(() => log.append([removal('b')]), failed);
      assert.throws(() => log.appendLocal([{ kind: 'applied', sequence: 1 }]), failed);
      assert.throws(() => log.checkpoint(), failed);
      assert.equal(log.durable.position.sequence, 1);
      assert.equal((await readAll(log)).length, 2, 'what is there can be read');
      await assert.rejects(log.close(), failed);
      assert.equal(disk.openFiles, 0);
    }
  });

  it('that failed for a new segment alone is the end, too', async () => {
    const disk = new VirtualDisk();
    const log = await openLed(disk);
    await log.flush();
    disk.failure.sync = 'EIO';
    await assert.rejects(log.truncateTo(log.position, Buffer.alloc(0)), { code: 'LOG_FLUSH_FAILED' });
    assert.throws(() => log.append([removal('b')]), { code: 'LOG_FLUSH_FAILED' });
  });
});

/** Fills a disk by appending. @returns the error of the first append that did not fit */
function fill(log: OperationLog, path: string): unknown {
  for (let round = 0; round < 100_000; round += 1) {
    try {
      log.append([removal(`${path}-${round}`)]);
    } catch (error) {
      return error;
    }
  }
  return null;
}

describe('a full disk', () => {
  it('refuses before anything is changed, and leaves nothing half-written', async () => {
    for (const capacity of [1500, 1501, 1511, 2000, 4096, 5000, 9999]) {
      for (const aheadBytes of [8, 512, 4096]) {
        const disk = new VirtualDisk();
        const log = await openLed(disk, { aheadBytes });
        disk.capacityBytes = Math.max(capacity, disk.usedBytes);
        const error = fill(log, 'name');
        assert.equal((error as { code?: string }).code, 'LOG_DISK_FULL');
        const known = summary(log);
        const long = [removal('x'.repeat(200)), removal('y')];
        const local = [
          { kind: 'active', directories: [Buffer.from('a'.repeat(100))], files: [], trees: [] },
        ] as const;
        assert.throws(() => log.append(long, local), { code: 'LOG_DISK_FULL' });
        assert.deepEqual(summary(log), known);
        const again = await openLog(disk.afterCrash());
        assert.deepEqual(summary(again), known);
        assert.ok((await sinceCheckpoint(again)).every(({ kind }) => kind === 'batch'));
        disk.capacityBytes += 100_000;
        log.append(long, local);
        await log.flush();
        assert.deepEqual(summary(await openLog(disk.afterPowerCut(new Random(capacity)))), summary(log));
      }
    }
  });

  it('takes what fits when there is no room to allocate ahead', async () => {
    const disk = new VirtualDisk();
    const log = await openLed(disk, { aheadBytes: 64 });
    disk.capacityBytes = disk.usedBytes + 300;
    const before = log.position.sequence;
    fill(log, 'n');
    assert.ok(log.position.sequence > before);
    assert.ok(disk.capacityBytes - disk.usedBytes < 100);
  });

  it('makes room by giving up the oldest segments that nobody needs', async () => {
    const disk = new VirtualDisk();
    const log = await openLed(disk, { segmentBytes: 1000, aheadBytes: 8 });
    for (let round = 0; round < 100; round += 1) log.append([removal(`name-${round}`)]);
    await log.flush();
    disk.capacityBytes = disk.usedBytes + 50;
    const pin = log.pin(60);
    const error = fill(log, 'name');
    assert.equal((error as { code?: string }).code, 'LOG_DISK_FULL');
    assert.ok(log.start.sequence > 0 && log.start.sequence <= 60, 'nothing that is pinned');
    await log.flush();
    pin.release();
    log.append([removal('again')]);
    assert.deepEqual(summary(await openLog(disk.afterCrash())), summary(log));
  });

  it('without room for another segment goes on in the one it has', async () => {
    const disk = new VirtualDisk();
    const log = await openLed(disk, {
      segmentBytes: 100,
      aheadBytes: 8,
      checkpointState: () => Buffer.alloc(1000),
    });
    disk.capacityBytes = disk.usedBytes + 600;
    log.append([removal('a'.repeat(50))]);
    for (let round = 0; round < 3; round += 1) log.append([removal('b')]);
    assert.equal(disk.names().length, 1);
    assert.throws(() => log.checkpoint(), { code: 'LOG_DISK_FULL' });
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    log.append([leadership(2, log.position)]);
    assert.equal(disk.names().length, 2);
    assert.deepEqual(summary(await openLog(disk.afterCrash())), summary(log));
  });
});

describe('a disk that fails to write', () => {
  it('refuses that append alone when the file could be put back', async () => {
    const disk = new VirtualDisk();
    const log = await openLed(disk);
    disk.failure.write = 'EROFS';
    assert.throws(() => log.append([removal('a')]), { code: 'LOG_UNWRITABLE' });
    disk.failure = {};
    log.append([removal('b')]);
    assert.deepEqual(summary(await openLog(disk.afterCrash())), summary(log));
  });

  it('leaves nothing of a write that ended in the middle', async () => {
    for (let bytes = 0; bytes < 200; bytes += 7) {
      const disk = new VirtualDisk();
      const log = await openLed(disk);
      log.append([removal('room is allocated')]);
      disk.nextWriteBytes = bytes;
      const local = [{ kind: 'applied', sequence: 1 }] as const;
      assert.throws(() => log.append([removal('a')], local), { code: 'LOG_UNWRITABLE' });
      const again = await openLog(disk.afterCrash());
      assert.equal(again.torn, null);
      assert.deepEqual(summary(again), summary(log));
      assert.ok((await sinceCheckpoint(again)).every(({ kind }) => kind === 'batch'));
      log.append([removal('b')]);
      assert.deepEqual(summary(await openLog(disk.afterCrash())), summary(log));
    }
  });

  it('is the end of the log when it could not: a part of what was refused may be there', async () => {
    const disk = new VirtualDisk();
    const log = await openLed(disk);
    disk.failure = { write: 'EIO', truncate: 'EIO' };
    assert.throws(() => log.append([removal('a')]), { code: 'LOG_UNWRITABLE' });
    disk.failure = {};
    assert.throws(() => log.append([removal('b')]), { code: 'LOG_UNWRITABLE' });
    await assert.rejects(log.flush(), { code: 'LOG_UNWRITABLE' });
  });

  it('or to read is told when the log is opened', async () => {
    const disk = new VirtualDisk();
    await (await openLed(disk)).close();
    const file = disk.names()[0] ?? '';
    const failing = (code: string) =>
      Object.assign(disk.afterCrash(), {
        open: () => {
          throw Object.assign(new Error(code), { code, errno: -1 });
        },
      });
    assert.ok(file);
    await assert.rejects(openLog(failing('EIO')), { code: 'LOG_DAMAGED' });
    await assert.rejects(openLog(failing('EACCES')), { code: 'LOG_UNWRITABLE' });
  });
});
