import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { maxFrameBytes } from '#contracts/frames.ts';
import {
  decodeFromJournal,
  decodeToJournal,
  encodeFromJournal,
  encodeToJournal,
  FormatError,
  JournalDecoder,
} from '#contracts/journal/codec.ts';
import type { FromJournal, ToJournal } from '#contracts/journal/message.ts';
import type { Operation } from '#contracts/journal/operation.ts';

const path = Buffer.from('alice/r\xe9sum\xe9 \xff\x01', 'latin1');
const operations: readonly Operation[] = [
  { kind: 'open', handle: 1, path, flags: { create: true, exclusive: false, truncate: true }, mode: 0o640 },
  { kind: 'open', handle: 2, path, flags: { create: false, exclusive: true, truncate: false }, mode: 0 },
  { kind: 'write', handle: 0xffff_ffff, offset: 2 ** 45 + 7, data: Buffer.from('some data') },
  { kind: 'write', handle: 1, offset: 0, data: Buffer.alloc(0) },
  { kind: 'set-handle-attributes', handle: 3, attributes: { size: 2 ** 40, modifiedAt: 1_700_000_000.25 } },
  { kind: 'close', handle: 3 },
  { kind: 'sync', handle: 3 },
  { kind: 'set-attributes', path, attributes: { mode: 0o7777, accessedAt: 1, modifiedAt: 0 } },
  { kind: 'set-attributes', path, attributes: {} },
  { kind: 'rename', from: path, to: Buffer.from('b') },
  { kind: 'remove', path },
  { kind: 'mkdir', path, mode: 0o755 },
  { kind: 'rmdir', path },
  { kind: 'symlink', path, target: Buffer.from('/etc/passwd') },
  { kind: 'link', existing: path, path: Buffer.from('other') },
  { kind: 'barrier' },
];
const toJournal: readonly ToJournal[] = [
  { type: 'hello', epoch: 2 ** 40, nextSequence: 1 },
  ...operations.map((operation, index): ToJournal => {
    return { type: 'operation', epoch: 12, sequence: index + 1, durable: index % 2 === 0, operation };
  }),
  { type: 'held', sequence: 99, handles: [] },
  {
    type: 'held',
    sequence: 99,
    handles: [
      { handle: 4, path },
      { handle: 5, path: Buffer.alloc(0) },
    ],
  },
];
const longPath = Buffer.from('directory/'.repeat(400));
const manyHandles: ToJournal = {
  type: 'held',
  sequence: 7,
  handles: Array.from({ length: 500 }, (_, handle) => ({ handle, path: Buffer.from(`home/file-${handle}`) })),
};
const fromJournal: readonly FromJournal[] = [
  { type: 'welcome', epoch: 77 },
  { type: 'durable', sequence: 2 ** 41 },
  { type: 'hold' },
  { type: 'release' },
  { type: 'refuse', reason: 'no standby is in sync' },
  { type: 'refuse', reason: '' },
];

function decodeAll(chunks: readonly Buffer[]): ToJournal[] {
  const decoder = new JournalDecoder(decodeToJournal);
  return chunks.flatMap((chunk) => [...decoder.push(chunk)]);
}

describe('journal codec', () => {
  it('carries every kind of message unchanged', () => {
    assert.deepEqual(decodeAll([Buffer.concat(toJournal.flatMap(encodeToJournal))]), toJournal);
    const decoder = new JournalDecoder(decodeFromJournal);
    const back = [...decoder.push(Buffer.concat(fromJournal.flatMap(encodeFromJournal)))];
    assert.deepEqual(back, fromJournal);
  });

  it('carries what is longer than the first guess at its size', () => {
    const long: ToJournal = {
      type: 'operation',
      epoch: 1,
      sequence: 1,
      durable: true,
      operation: { kind: 'rename', from: longPath, to: path },
    };
    assert.deepEqual(decodeAll([long, manyHandles].flatMap(encodeToJournal)), [long, manyHandles]);
  });

  it('does not care where the stream is cut', () => {
    const stream = Buffer.concat(toJournal.flatMap(encodeToJournal));
    for (let cut = 0; cut <= stream.length; cut++) {
      assert.deepEqual(decodeAll([stream.subarray(0, cut), stream.subarray(cut)]), toJournal, `cut ${cut}`);
    }
    assert.deepEqual(decodeAll(Array.from(stream, (byte) => Buffer.from([byte]))), toJournal);
  });

  it('copies write data neither on encoding nor on decoding of one chunk', () => {
    const data = Buffer.from('a block of a file');
    const operation: Operation = { kind: 'write', handle: 1, offset: 0, data };
    const parts = encodeToJournal({ type: 'operation', epoch: 1, sequence: 1, durable: false, operation });
    assert.equal(parts.at(-1), data);
    const chunk = Buffer.concat(parts);
    const [message] = decodeAll([chunk]);
    assert.ok(message?.type === 'operation' && message.operation.kind === 'write');
    assert.equal(message.operation.data.buffer, chunk.buffer);
  });

  it('takes a frame of the largest size and refuses one byte more', () => {
    const write = (size: number): ToJournal => ({
      type: 'operation',
      epoch: 1,
      sequence: 1,
      durable: false,
      operation: { kind: 'write', handle: 1, offset: 0, data: Buffer.alloc(size, 7) },
    });
    const overhead = Buffer.concat(encodeToJournal(write(0))).length - 4;
    const largest = write(maxFrameBytes - overhead);
    assert.deepEqual(decodeAll([Buffer.concat(encodeToJournal(largest))]), [largest]);
    assert.throws(() => encodeToJournal(write(maxFrameBytes - overhead + 1)), /more than 1048576/);
  });

  it('refuses an over-long length before any of its bytes arrive', () => {
    assert.throws(() => decodeAll([Buffer.from([0x00, 0x10, 0x00, 0x01])]), {
      name: 'FormatError',
      message: 'a frame of 1048577 bytes, more than 1048576',
    });
    assert.throws(() => decodeAll([Buffer.alloc(4)]), { message: 'a frame without a type' });
  });

  it('names what was wrong in a bad frame', () => {
    const frame = (...bytes: number[]) => [Buffer.from([0, 0, 0, bytes.length, ...bytes])];
    assert.throws(() => decodeAll(frame(9)), { message: 'unknown message type 9' });
    assert.throws(() => decodeAll(frame(1, 0, 0)), { message: 'the frame ends within epoch' });
    const epochAndSequence = new Array<number>(16).fill(0);
    assert.throws(() => decodeAll(frame(2, ...epochAndSequence, 0, 99)), {
      message: 'unknown operation kind 99',
    });
    assert.throws(() => decodeAll(frame(2, ...epochAndSequence, 2, 13)), {
      message: 'durable is 2, neither 0 nor 1',
    });
    assert.throws(() => decodeAll(frame(2, ...epochAndSequence, 0, 13, 0)), {
      message: '1 bytes too many at the end of the frame',
    });
    assert.throws(() => decodeAll(frame(2, ...epochAndSequence, 0, 8, 255, 255, 255, 255, 65)), {
      message: 'the frame ends within path',
    });
    assert.throws(() => decodeAll(frame(1, ...new Array<number>(16).fill(255))), {
      message: 'epoch is larger than 2^53',
    });
  });

  it('answers garbage with a FormatError or more waiting, never another error', () => {
    let state = 20_260_101;
    const random = () => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
      return state / 0x8000_0000;
    };
    for (let round = 0; round < 5_000; round++) {
      const body = Buffer.from(
        Array.from({ length: 1 + Math.floor(random() * 60) }, () => Math.floor(random() * 256)),
      );
      if (round % 2 === 0) body[0] = 2;
      const length = Buffer.alloc(4);
      length.writeUInt32BE(body.length);
      try {
        decodeAll([length, body]);
      } catch (error) {
        assert.ok(error instanceof FormatError, `round ${round}: ${String(error)}`);
      }
    }
  });
});
