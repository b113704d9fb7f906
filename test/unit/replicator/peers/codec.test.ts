import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FormatError } from '#contracts/bytes.ts';
import { HoldfastError } from '#contracts/errors.ts';
import { type Frame, FrameDecoder } from '#contracts/frames.ts';
import { emptyChain, encodeBatch } from '../../../../replicator/log/batch.ts';
import {
  decodeToFollower,
  decodeToLeader,
  encodeToFollower,
  encodeToLeader,
  ignorableFrameBit,
} from '../../../../replicator/peers/codec.ts';
import { limits } from '../../../../replicator/peers/limits.ts';
import type { ToFollower, ToLeader } from '../../../../replicator/peers/messages.ts';
import { Random } from '../../../sim/timeline.ts';

const chain = 'ab'.repeat(16);
const write = (length: number) => ({ kind: 'write' as const, handle: 3, offset: 9, length });

function batch(...lengths: number[]): Buffer {
  const records = lengths.map((length) => write(length));
  return encodeBatch(4, { epoch: 4, sequence: 6 }, emptyChain, [{ kind: 'close', handle: 9 }, ...records]);
}

const times = { accessedAtUs: 1_700_000_000_000_000, modifiedAtUs: 0 };

const toFollower: readonly ToFollower[] = [
  {
    type: 'welcome',
    epoch: 5,
    replicatesFiles: true,
    position: { epoch: 3, sequence: 9 },
    end: { epoch: 5, sequence: 12 },
    chain,
    anew: null,
  },
  {
    type: 'welcome',
    epoch: 5,
    replicatesFiles: true,
    position: { epoch: 5, sequence: 9 },
    end: { epoch: 5, sequence: 9 },
    chain,
    anew: [
      [3, 1],
      [5, 9],
    ],
  },
  { type: 'refused', code: 'EPOCH_STALE', message: 'a sentence' },
  { type: 'ended', code: 'PEER_PROTOCOL', message: 'a sentence' },
  { type: 'config', epoch: 5, digest: 'abc', files: [{ path: 'users.yaml', mode: 0o600, content: 'YQ==' }] },
  { type: 'batch', payload: batch(2, 0, 3), data: [Buffer.from('ab'), Buffer.alloc(0), null] },
  { type: 'batch', payload: batch(), data: [] },
  { type: 'name', id: 1, answer: { kind: 'absent' } },
  { type: 'name', id: 2, answer: { kind: 'directory', mode: 0o755 } },
  { type: 'name', id: 3, answer: { kind: 'symlink', target: '../\xff', times } },
  {
    type: 'name',
    id: 0xffff_ffff,
    answer: {
      kind: 'file',
      mode: 0o644,
      size: 2 ** 40,
      times,
      names: ['a/b', 'c\xe9'],
      handles: [1, 2 ** 40],
    },
  },
  { type: 'entries', id: 4, page: null },
  { type: 'entries', id: 4, page: { after: null, names: [], upTo: null } },
  { type: 'entries', id: 4, page: { after: 'a', names: ['b', 'b\xff', 'c'], upTo: 'd' } },
  { type: 'opened', id: 5 },
  { type: 'content', id: 6, offset: 2 ** 40, data: Buffer.from('some bytes') },
  {
    type: 'digest',
    id: 7,
    from: 10,
    to: 25,
    blockBytes: 10,
    digests: [Buffer.alloc(32, 1), Buffer.alloc(32, 2)],
  },
  { type: 'digest', id: 7, from: 10, to: 10, blockBytes: 10, digests: [] },
  { type: 'answered', id: 8 },
  { type: 'flush', sequence: 2 ** 45 },
  { type: 'barrier', sequence: 2 ** 45 },
];

const toLeader: readonly ToLeader[] = [
  {
    type: 'hello',
    cluster: 'c',
    node: 'host-b',
    highestEpoch: 5,
    position: { epoch: 5, sequence: 9 },
    chain,
    epochs: [[5, 3]],
    start: { epoch: 0, sequence: 0 },
  },
  { type: 'joined', position: { epoch: 5, sequence: 9 }, chain },
  { type: 'config-applied', digest: 'abc' },
  { type: 'ended', code: 'PEER_PROTOCOL', message: 'a sentence' },
  { type: 'received', position: { epoch: 5, sequence: 9 } },
  { type: 'flushed', position: { epoch: 5, sequence: 9 }, complete: false },
  { type: 'flushed', position: { epoch: 5, sequence: 9 }, complete: true },
  { type: 'passed', sequence: 2 ** 45 },
  { type: 'want-name', id: 1, path: 'a/\xe9' },
  { type: 'want-entries', id: 2, path: '', after: null },
  { type: 'want-entries', id: 2, path: 'a', after: 'x' },
  { type: 'want-content', id: 3, path: 'a', from: 5, to: 5 + limits.contentRange },
  { type: 'want-digest', id: 3, path: 'a', from: 5, to: 5 + limits.digestRange },
];

function framesOf(parts: readonly Buffer[]): Frame[] {
  return [...new FrameDecoder(limits.frame).push(Buffer.concat(parts))];
}

function frameOf(parts: readonly Buffer[]): Frame {
  const [frame, ...more] = framesOf(parts);
  assert.ok(frame !== undefined && more.length === 0);
  return frame;
}

/** What a door says of anything: a message, nothing, or an error that has a sentence. */
function isClear(decode: () => unknown): boolean {
  try {
    decode();
    return true;
  } catch (error) {
    const isKnown = error instanceof FormatError || error instanceof HoldfastError;
    if (!isKnown) throw error;
    return false;
  }
}

describe('the frames between engines', () => {
  it('are read as they were written', () => {
    for (const message of toFollower) {
      assert.deepEqual(decodeToFollower(frameOf(encodeToFollower(message))), message);
    }
    for (const message of toLeader) {
      assert.deepEqual(decodeToLeader(frameOf(encodeToLeader(message))), message);
    }
  });

  it('are refused when they end early or late', () => {
    for (const [messages, encode, decode] of doors) {
      for (const message of messages) {
        const { type, body } = frameOf(encode(message));
        for (let length = 0; length < body.length; length++) {
          const cut = { type, body: body.subarray(0, length) };
          // Content has whatever bytes came.
          if (type === 7 && length >= 12) continue;
          assert.equal(
            isClear(() => decode(cut)),
            false,
            `${message.type} of ${length} bytes`,
          );
        }
        if (type === 7) continue;
        const longer = { type, body: Buffer.concat([body, Buffer.of(0x7d)]) };
        assert.equal(
          isClear(() => decode(longer)),
          false,
          `${message.type} and one more`,
        );
      }
    }
  });

  it('of any bytes are a message or a clear error', () => {
    const random = new Random(9);
    for (const [messages, encode, decode] of doors) {
      for (let round = 0; round < 30_000; round++) {
        const { type, body } = frameOf(encode(random.pick(messages)));
        const bytes = Buffer.from(body);
        for (let changes = 1 + random.below(4); changes > 0 && bytes.length > 0; changes--) {
          bytes[random.below(bytes.length)] = random.pick([0, 1, 0x7f, 0xff, random.below(256)]);
        }
        isClear(() => decode({ type, body: bytes.subarray(0, random.below(bytes.length + 1)) }));
        isClear(() => decode({ type: random.below(256), body: bytes }));
      }
    }
  });

  it('of lengths that lie cost no memory', () => {
    for (const type of [3, 4, 5, 8, 18]) {
      const body = Buffer.alloc(64, 0xff);
      assert.equal(
        isClear(() => decodeToFollower({ type, body })),
        false,
      );
      assert.equal(
        isClear(() => decodeToLeader({ type, body })),
        false,
      );
    }
    const decoder = new FrameDecoder(limits.frame);
    const longer = Buffer.alloc(4);
    longer.writeUInt32BE(limits.frame + 1);
    assert.throws(() => [...decoder.push(longer)], FormatError);
  });

  it('of a later release are passed over when they say so, and end the connection when not', () => {
    const body = Buffer.from('anything');
    for (const decode of [decodeToFollower, decodeToLeader]) {
      assert.equal(decode({ type: ignorableFrameBit | 0x3f, body }), null);
      assert.throws(() => decode({ type: 0x3f, body }), FormatError);
    }
  });

  it('carry no data that is not that of their writes', () => {
    const refused = [
      { payload: batch(2), data: [Buffer.from('abc')] },
      { payload: batch(2), data: [Buffer.from('ab'), null] },
      { payload: batch(2, 2), data: [Buffer.from('ab')] },
      { payload: Buffer.from('no batch'), data: [] },
    ];
    for (const message of refused) {
      const frame = frameOf(encodeToFollower({ type: 'batch', ...message }));
      assert.throws(() => decodeToFollower(frame), FormatError);
    }
  });

  it('leave out data that is too much for one, and tell which', () => {
    const payload = batch(limits.batchData, 1, 2);
    const data = [Buffer.alloc(limits.batchData), Buffer.from('x'), null];
    const read = decodeToFollower(frameOf(encodeToFollower({ type: 'batch', payload, data })));
    assert.ok(read?.type === 'batch');
    assert.deepEqual(
      read.data.map((part) => part?.length ?? null),
      [limits.batchData, null, null],
    );
    const without = decodeToFollower(frameOf(encodeToFollower({ type: 'batch', payload, data: null })));
    assert.ok(without?.type === 'batch');
    assert.deepEqual(without.data, [null, null, null]);
  });

  it('have paths that stay below the root, and names of one part', () => {
    for (const path of ['/a', 'a//b', '../a', 'a/..', '.', 'a\0', 'x'.repeat(256), 'y/'.repeat(40_000)]) {
      assert.throws(
        () => decodeToLeader(frameOf(encodeToLeader({ type: 'want-name', id: 1, path }))),
        FormatError,
      );
    }
    for (const name of ['', 'a/b', '..', 'a\0']) {
      const page = { after: null, names: [name], upTo: null };
      assert.throws(
        () => decodeToFollower(frameOf(encodeToFollower({ type: 'entries', id: 1, page }))),
        FormatError,
      );
    }
  });

  it('have pages whose names ascend within their range', () => {
    const refused = [
      { after: null, names: ['b', 'a'], upTo: null },
      { after: null, names: ['a', 'a'], upTo: null },
      { after: 'b', names: ['b'], upTo: null },
      { after: 'b', names: [], upTo: 'b' },
      { after: null, names: ['a', 'c'], upTo: 'b' },
    ];
    for (const page of refused) {
      assert.throws(
        () => decodeToFollower(frameOf(encodeToFollower({ type: 'entries', id: 1, page }))),
        FormatError,
      );
    }
  });

  it('ask for ranges that have bytes, and not for more than is answered at once', () => {
    for (const [from, to] of [
      [5, 5],
      [6, 5],
      [0, limits.contentRange + 1],
    ] as const) {
      const want = { type: 'want-content', id: 1, path: 'a', from, to } as const;
      assert.throws(() => decodeToLeader(frameOf(encodeToLeader(want))), FormatError);
    }
  });

  it('have tables of epochs that ascend', () => {
    const [hello] = toLeader;
    assert.ok(hello?.type === 'hello');
    for (const epochs of [
      [
        [3, 1],
        [3, 2],
      ],
      [
        [3, 5],
        [4, 5],
      ],
      [[0, 1]],
    ] as [number, number][][]) {
      assert.throws(() => decodeToLeader(frameOf(encodeToLeader({ ...hello, epochs }))), FormatError);
    }
  });

  it('tell as many names of a file as there is room for', () => {
    const names = Array.from({ length: 100 }, (_, index) => `${index}/${'n/'.repeat(30_000)}n`);
    const answer = { kind: 'file' as const, mode: 0o644, size: 1, names, handles: [], times };
    const read = decodeToFollower(frameOf(encodeToFollower({ type: 'name', id: 1, answer })));
    assert.ok(read?.type === 'name' && read.answer.kind === 'file');
    assert.ok(read.answer.names.length > 10 && read.answer.names.length < 100);
  });
});

type Door = readonly [
  messages: readonly (ToFollower & ToLeader)[],
  encode: (message: ToFollower & ToLeader) => Buffer[],
  decode: (frame: Frame) => unknown,
];
const doors = [
  [toFollower, encodeToFollower, decodeToFollower],
  [toLeader, encodeToLeader, decodeToLeader],
] as unknown as readonly Door[];
