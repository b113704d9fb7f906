import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ByteReader, ByteWriter, FormatError } from '#contracts/bytes.ts';
import { HoldfastError } from '#contracts/errors.ts';
import type { LogRecord } from '../../../../replicator/core/record.ts';
import {
  batchHeadBytes,
  chainOf,
  emptyChain,
  encodeBatch,
  maxBatchBytes,
  readBatch,
  readBatchHead,
} from '../../../../replicator/log/batch.ts';
import { decodeLocalRecords, encodeLocalRecords } from '../../../../replicator/log/local-record-codec.ts';
import { type DecodedRecord, readRecord, writeRecord } from '../../../../replicator/log/record-codec.ts';
import { readRecordFrame } from '../../../../replicator/log/record-frame.ts';
import {
  decodeSegmentHeader,
  encodeSegmentHeader,
  maxStateBytes,
  type SegmentHeader,
} from '../../../../replicator/log/segment-header.ts';
import { parseSegmentName, segmentName } from '../../../../replicator/log/segment-name.ts';
import { Random } from '../../../sim/timeline.ts';
import {
  below,
  leadership,
  randomBytes,
  randomLocalRecord,
  randomPath,
  randomRecord,
  randomRecords,
} from './random-records.ts';

function encode(record: DecodedRecord): Buffer {
  const writer = new ByteWriter();
  writeRecord(writer, record);
  return writer.finish();
}

function decode(bytes: Buffer): DecodedRecord {
  const reader = new ByteReader(bytes);
  const { kind, body } = readRecordFrame(reader);
  reader.end();
  return readRecord(kind, body);
}

/** Whatever the bytes: they are refused by name, or they are the only ones for what they say. */
function refusedOrCanonical(bytes: Buffer, read: () => Buffer): void {
  let again: Buffer;
  try {
    again = read();
  } catch (error) {
    const named =
      error instanceof FormatError || (error instanceof HoldfastError && error.code === 'FORMAT_UNKNOWN');
    assert.ok(named, String(error));
    return;
  }
  assert.deepEqual(again, bytes);
}

function damage(random: Random, bytes: Buffer): Buffer {
  const damaged = Buffer.from(bytes);
  for (let times = 1 + below(random, 3); times > 0; times -= 1) {
    damaged[below(random, damaged.length)] = random.pick([0, 1, 255, below(random, 256)]);
  }
  return random.chance(0.3) ? damaged.subarray(0, below(random, damaged.length + 1)) : damaged;
}

describe('records of the log', () => {
  it('come back as they were', () => {
    const random = new Random(1);
    const kinds = new Set<string>();
    for (let round = 0; round < 3000; round += 1) {
      const record = randomRecord(random);
      kinds.add(record.kind);
      assert.deepEqual(decode(encode(record)), record);
    }
    assert.equal(kinds.size, 15, 'all kinds but leaderships');
    const first = leadership(2 ** 50, { epoch: 2 ** 49, sequence: 2 ** 51 });
    assert.deepEqual(decode(encode(first)), first);
  });

  it('have one form each, whatever bytes come', () => {
    const random = new Random(2);
    for (let round = 0; round < 20_000; round += 1) {
      const bytes = random.chance(0.2)
        ? randomBytes(random, below(random, 60))
        : damage(random, encode(randomRecord(random)));
      refusedOrCanonical(bytes, () => encode(decode(bytes)));
    }
  });

  it('are refused on both sides when a field is out of its bounds', () => {
    const path = Buffer.from('a');
    const wrong: LogRecord[] = [
      ...['/a', 'a/', 'a//b', '.', 'a/..', '../b', 'a\0b', 'x'.repeat(256), 'ab/'.repeat(30_000)].map(
        (name): LogRecord => ({ kind: 'remove', path: Buffer.from(name) }),
      ),
      { kind: 'remove', path: Buffer.alloc(0) },
      { kind: 'rename', from: path, to: Buffer.alloc(0) },
      { kind: 'mkdir', path, mode: 0o10000 },
      { kind: 'write', handle: 1, offset: 2 ** 53 - 1, length: 1 },
      { kind: 'write', handle: -1, offset: 0, length: 1 },
      { kind: 'symlink', path, target: Buffer.alloc(0) },
      { kind: 'symlink', path, target: Buffer.alloc(4096, 'x') },
      { kind: 'set-attributes', path, attributes: { size: 0.5 }, otherNames: [] },
      { kind: 'set-attributes', path, attributes: {}, otherNames: [Buffer.from('../b')] },
      { kind: 'state', area: 'No Area', key: path, value: null },
      { kind: 'state', area: 'bans', key: Buffer.alloc(1025), value: null },
      { kind: 'state', area: 'bans', key: path, value: Buffer.alloc(65_537) },
      { kind: 'leadership', epoch: 1, node: 'Not A Name', previous: { epoch: 0, sequence: 0 } },
      {
        kind: 'suspect',
        names: Array.from({ length: 20 }, () => ({
          path: Buffer.from('ab/'.repeat(20_000).slice(0, -1)),
          scope: 'tree',
        })),
        ranges: [],
      },
    ];
    for (const record of wrong) assert.throws(() => encode(record), FormatError, record.kind);
    const escaping = new ByteWriter().u16(9).bytes(new ByteWriter().bytes(Buffer.from('../etc')).finish());
    assert.throws(() => decode(escaping.finish()), FormatError);
  });

  it('of a later release are carried when they may be passed over, and end reading otherwise', () => {
    const ignorable = new ByteWriter().u16(0x8123).bytes(Buffer.from('new')).finish();
    assert.deepEqual(decode(ignorable), { kind: 'unknown', number: 0x8123, body: Buffer.from('new') });
    assert.deepEqual(encode(decode(ignorable)), ignorable);
    const needed = new ByteWriter().u16(0x0123).bytes(Buffer.from('new')).finish();
    assert.throws(() => decode(needed), { code: 'FORMAT_UNKNOWN', message: /kind 291/ });
    const local = encodeLocalRecords([{ kind: 'applied', sequence: 7 }]);
    assert.deepEqual(decodeLocalRecords(Buffer.concat([ignorable, local])), [
      { kind: 'applied', sequence: 7 },
    ]);
    assert.throws(() => decodeLocalRecords(needed), { code: 'FORMAT_UNKNOWN' });
  });
});

describe('local records', () => {
  it('come back as they were, and have one form each', () => {
    const random = new Random(3);
    for (let round = 0; round < 5000; round += 1) {
      const records = Array.from({ length: below(random, 4) }, () => randomLocalRecord(random));
      const bytes = encodeLocalRecords(records);
      assert.deepEqual(decodeLocalRecords(bytes), records);
      if (bytes.length === 0) continue;
      const damaged = damage(random, bytes);
      // A kind to be passed over is left out.
      if (damaged.includes(0x80) || damaged.some((byte) => byte > 0x80)) continue;
      refusedOrCanonical(damaged, () => encodeLocalRecords(decodeLocalRecords(damaged)));
    }
  });
});

describe('batches', () => {
  const after = { epoch: 3, sequence: 41 };

  it('say where they stand and what they hold', () => {
    const random = new Random(4);
    for (let round = 0; round < 500; round += 1) {
      const records = randomRecords(random);
      const previous = randomBytes(random, 16);
      const payload = encodeBatch(3, after, previous, records);
      const head = { epoch: 3, first: 42, last: 41 + records.length, previous };
      assert.deepEqual(readBatch(payload), { ...head, records });
      assert.deepEqual(readBatchHead(payload), head);
    }
  });

  it('have one form each, whatever bytes come', () => {
    const random = new Random(5);
    for (let round = 0; round < 10_000; round += 1) {
      const payload = damage(random, encodeBatch(3, after, emptyChain, randomRecords(random, 3)));
      refusedOrCanonical(payload, () => {
        const { epoch, first, previous, records } = readBatch(payload);
        return encodeBatch(epoch, { epoch: 0, sequence: first - 1 }, previous, records);
      });
    }
  });

  it('have a chain value that each byte changes', () => {
    const payload = encodeBatch(3, after, emptyChain, [{ kind: 'close', handle: 1 }]);
    const values = new Set([chainOf(payload).toString('hex')]);
    for (let at = 0; at < payload.length; at += 1) {
      const other = Buffer.from(payload);
      other[at] = (other[at] ?? 0) ^ 1;
      values.add(chainOf(other).toString('hex'));
    }
    assert.equal(values.size, payload.length + 1);
    assert.equal(chainOf(payload).length, 16);
  });

  it('are bounded, have records, and one epoch each', () => {
    const value = Buffer.alloc(65_536);
    const state: LogRecord = { kind: 'state', area: 'bans', key: Buffer.alloc(0), value };
    const tooMany = Array.from({ length: maxBatchBytes / value.length }, () => state);
    assert.throws(() => encodeBatch(3, after, emptyChain, tooMany), FormatError);
    assert.throws(() => encodeBatch(3, after, emptyChain, []), FormatError);
    assert.throws(
      () => encodeBatch(3, after, emptyChain, [{ kind: 'close', handle: 1 }, leadership(3, after)]),
      FormatError,
    );
    assert.throws(() => readBatch(Buffer.alloc(maxBatchBytes + 1)), FormatError);
    const claimsMany = encodeBatch(3, after, emptyChain, [{ kind: 'close', handle: 1 }]);
    claimsMany.writeUInt32BE(0xffff_ffff, 16);
    assert.throws(() => readBatchHead(claimsMany), FormatError);
    assert.throws(() => readBatchHead(claimsMany.subarray(0, batchHeadBytes - 1)), FormatError);
  });
});

describe('the header of a segment', () => {
  const random = new Random(6);
  const header: SegmentHeader = {
    identity: 'cluster/root',
    base: 2 ** 40,
    createdWallMs: 1_764_000_000_000,
    history: 'takes-back',
    position: { epoch: 9, sequence: 1234 },
    chain: randomBytes(random, 16),
    epochs: [
      { epoch: 4, first: 1000 },
      { epoch: 9, first: 1200 },
    ],
    handles: new Map([
      [1, { path: randomPath(random), inode: 77n }],
      [2 ** 40, { path: null, inode: null }],
      [3, { path: Buffer.from('a/b'), inode: null }],
    ]),
    state: randomBytes(random, 300),
  };

  it('comes back as it was, and has one form', () => {
    const bytes = encodeSegmentHeader(header);
    assert.deepEqual(decodeSegmentHeader(bytes), header);
    for (let round = 0; round < 3000; round += 1) {
      const damaged = damage(random, bytes);
      // Two handles of one number are one.
      refusedOrCanonical(damaged, () => {
        const read = decodeSegmentHeader(damaged);
        const again = encodeSegmentHeader(read);
        return again.length === damaged.length ? again : damaged;
      });
    }
  });

  it('is refused in a format of a later release, and with too large a state', () => {
    const later = Buffer.from(encodeSegmentHeader(header));
    later.writeUInt32BE(2, 0);
    assert.throws(() => decodeSegmentHeader(later), { code: 'FORMAT_UNKNOWN' });
    assert.throws(
      () => encodeSegmentHeader({ ...header, state: Buffer.alloc(maxStateBytes + 1) }),
      FormatError,
    );
  });

  it('leaves out paths for which there is no room, never a handle', () => {
    const path = Buffer.from('directory/'.repeat(6000).slice(0, -1));
    const handles = new Map(Array.from({ length: 300 }, (_, number) => [number, { path, inode: 5n }]));
    const read = decodeSegmentHeader(encodeSegmentHeader({ ...header, handles })).handles;
    assert.equal(read.size, 300);
    assert.ok([...read.values()].every(({ inode }) => inode === 5n));
    const named = [...read.values()].filter(({ path: kept }) => kept !== null);
    assert.ok(named.length > 100 && named.length < 300);
  });

  it('has a name that says where it begins', () => {
    const name = { base: 2 ** 45 + 8, marker: 0x5b };
    assert.equal(segmentName(name), '0000200000000008-0000005b.segment');
    assert.deepEqual(parseSegmentName(segmentName(name)), name);
    assert.equal(parseSegmentName(`${segmentName(name)}.new`), null);
    assert.equal(parseSegmentName('ffffffffffffffff-0000005b.segment'), null);
  });
});
