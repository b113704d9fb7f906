import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { maxWriteBytes } from '#contracts/engine/limits.ts';
import { AcknowledgedWrites } from '../../../../sftp-node/engine/acknowledged-writes.ts';
import { EngineRefusal } from '../../../../sftp-node/engine/errors.ts';
import { type Gathered, GatheredWrites } from '../../../../sftp-node/engine/gathered-write.ts';

const bytes = (length: number, value = 0) => Buffer.alloc(length, value);
const below = (limit: number) => Math.floor(Math.random() * limit);

describe('gathered WRITEs', () => {
  it('lie end to end in one file, within a frame', () => {
    const gathered = new GatheredWrites();
    assert.equal(gathered.add(1, 100, bytes(10), true), null);
    assert.equal(gathered.add(1, 110, bytes(5), false), null);
    assert.deepEqual(shape(gathered.add(1, 116, bytes(1), true)), { handle: 1, offset: 100, bytes: 15 });
    assert.deepEqual(shape(gathered.add(2, 117, bytes(1), true)), { handle: 1, offset: 116, bytes: 1 });
    assert.deepEqual(shape(gathered.add(2, 118, bytes(maxWriteBytes), true)), {
      handle: 2,
      offset: 117,
      bytes: 1,
    });
    assert.deepEqual(shape(gathered.take()), { handle: 2, offset: 118, bytes: maxWriteBytes });
    assert.equal(gathered.take(), null);
    assert.throws(() => gathered.add(2, 0, bytes(maxWriteBytes + 1), true), RangeError);
  });

  it('keep an append together, and wait for its end', () => {
    const gathered = new GatheredWrites();
    gathered.add(1, null, bytes(maxWriteBytes - 10), true);
    assert.equal(gathered.add(1, null, bytes(8), false), null);
    assert.equal(gathered.isInAppend, true);
    assert.deepEqual(shape(gathered.add(1, null, bytes(8), true)), {
      handle: 1,
      offset: null,
      bytes: maxWriteBytes - 10,
    });
    assert.equal(gathered.isInAppend, false);
    assert.deepEqual(shape(gathered.take()), { handle: 1, offset: null, bytes: 16 });
  });

  it('are not taken for appends of the same file, nor these for them', () => {
    const gathered = new GatheredWrites();
    gathered.add(1, 0, bytes(4), true);
    assert.equal(gathered.add(1, null, bytes(4), true)?.offset, 0);
    assert.equal(gathered.add(1, 4, bytes(4), true)?.offset, null);
  });

  it('have nothing of what is empty', () => {
    const gathered = new GatheredWrites();
    gathered.add(1, 0, bytes(0), true);
    gathered.add(1, null, bytes(0), true);
    assert.equal(gathered.take(), null);
  });
});

describe('acknowledged WRITEs', () => {
  it('fail when some of their bytes were refused, and only then', async () => {
    for (let round = 0; round < 300; round++) await story();
  });

  it('of appends know how large the file was after each', async () => {
    const writes = new AcknowledgedWrites();
    const made = [10, 20, 30].map((length) => {
      writes.accept(length);
      return writes.whenMade();
    });
    writes.sent(1, 60);
    writes.appended(1, 1060);
    writes.acknowledged(60);
    assert.deepEqual(await Promise.all(made), [{ size: 1010 }, { size: 1030 }, { size: 1060 }]);
  });

  it('take no word for what was not sent', () => {
    const writes = new AcknowledgedWrites();
    writes.accept(10);
    writes.sent(1, 10);
    assert.throws(() => writes.acknowledged(11));
    writes.acknowledged(10);
    assert.throws(() => writes.acknowledged(9));
    assert.throws(() => writes.appended(1, 5));
    assert.throws(() => writes.refused(2, 0, new EngineRefusal('EIO', '')));
  });

  it('without data are made with those before them', async () => {
    const writes = new AcknowledgedWrites();
    await writes.whenMade();
    writes.accept(10);
    writes.sent(1, 10);
    let isMade = false;
    const made = Promise.all([writes.whenMade(), writes.whenMade()]).then(() => {
      isMade = true;
    });
    await Promise.resolve();
    assert.equal(isMade, false);
    writes.acknowledged(10);
    await made;
  });
});

/** Random WRITEs in random pieces and frames, some refused from some byte on, against a list of which byte failed. */
async function story(): Promise<void> {
  const writes = new AcknowledgedWrites();
  const gathered = new GatheredWrites();
  const expected: { from: number; to: number; outcome: Promise<string> }[] = [];
  const failed = new Set<number>();
  const frames: { request: number; start: number; end: number }[] = [];
  let [taken, sent, acknowledged, request] = [0, 0, 0, 0];
  const send = (frame: Gathered | null) => {
    if (frame === null) return;
    request += 1;
    writes.sent(request, frame.bytes);
    frames.push({ request, start: sent, end: sent + frame.bytes });
    sent += frame.bytes;
  };
  const acknowledgeSome = () => {
    for (let count = below(3); count > 0; count--) {
      const frame = frames.shift();
      if (frame === undefined) break;
      if (below(3) === 0) {
        const written = below(frame.end - frame.start + 1);
        writes.refused(frame.request, written, new EngineRefusal('ENOSPC', ''));
        for (let at = frame.start + written; at < frame.end; at++) failed.add(at);
      }
      acknowledged = frame.end;
    }
    if (acknowledged > 0) writes.acknowledged(acknowledged);
  };
  for (let count = 0; count < 20; count++) {
    const from = taken;
    const offset = below(2) === 0 ? taken : taken + 1_000_000 * count;
    for (let pieces = 1 + below(3), piece = 1; piece <= pieces; piece++) {
      const data = bytes(1 + below(40));
      writes.accept(data.length);
      send(gathered.add(1, offset + taken - from, data, piece === pieces));
      taken += data.length;
      if (below(2) === 0) send(gathered.take());
      if (below(4) === 0) acknowledgeSome();
    }
    const outcome = writes.whenMade().then(
      () => 'made',
      () => 'refused',
    );
    expected.push({ from, to: taken, outcome });
  }
  send(gathered.take());
  while (frames.length > 0) acknowledgeSome();
  for (const { from, to, outcome } of expected) {
    const fails = Array.from({ length: to - from }, (_, index) => from + index).some((at) => failed.has(at));
    assert.equal(await outcome, fails ? 'refused' : 'made');
  }
  assert.deepEqual(
    [writes.unacknowledgedBytes, writes.takenBytes, writes.framesUnderWay, writes.waiting],
    [0, 0, 0, 0],
  );
}

function shape(gathered: Gathered | null) {
  return gathered && { handle: gathered.handle, offset: gathered.offset, bytes: gathered.bytes };
}
