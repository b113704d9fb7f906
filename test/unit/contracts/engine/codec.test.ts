import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FormatError } from '#contracts/bytes.ts';
import { decodeFromEngine, encodeFromEngine } from '#contracts/engine/from-engine.ts';
import {
  defaultAllowance,
  maxAnswerFrameBytes,
  maxPathBytes,
  maxRequestFrameBytes,
  maxSentenceBytes,
  maxWriteBytes,
} from '#contracts/engine/limits.ts';
import type { FromEngine, Request, ToEngine } from '#contracts/engine/message.ts';
import { goodbyeCodes } from '#contracts/engine/message.ts';
import { decodeToEngine, encodeData, encodeToEngine } from '#contracts/engine/to-engine.ts';
import { commonVersion } from '#contracts/engine/version.ts';
import { type Frame, FrameDecoder } from '#contracts/frames.ts';

const path = Buffer.from('../r\xe9sum\xe9/\xff\x01', 'latin1');
const long = Buffer.alloc(maxPathBytes, 0x61);
const flags = { read: true, write: true, append: false, create: true, exclusive: false, truncate: true };
const grant = { root: Buffer.from('alice'), makeRoot: 0o750, mayChange: true, account: 'accounts/müller' };
const requests: readonly Request[] = [
  { kind: 'begin-session', grant },
  { kind: 'begin-session', grant: { root: Buffer.alloc(0), makeRoot: null, mayChange: false, account: '' } },
  { kind: 'end-session' },
  { kind: 'read-barrier' },
  { kind: 'open', path, flags, mode: 0o7777 },
  { kind: 'open', path: long, flags: { ...flags, read: false, append: true, exclusive: true }, mode: 0 },
  { kind: 'write', handle: 0xffff_ffff, offset: 2 ** 45 + 7, data: Buffer.from('some data') },
  { kind: 'write', handle: 1, offset: 0, data: Buffer.alloc(maxWriteBytes, 7) },
  { kind: 'append', handle: 1, data: Buffer.from('x') },
  { kind: 'set-handle-attributes', handle: 3, attributes: { size: 2 ** 40, modifiedAtUs: 2 ** 51 } },
  { kind: 'close', handle: 3 },
  { kind: 'sync', handle: 3 },
  { kind: 'set-attributes', path, follow: false, attributes: {} },
  {
    kind: 'set-attributes',
    path,
    follow: true,
    attributes: { size: 0, mode: 0, accessedAtUs: 0, modifiedAtUs: 0 },
  },
  { kind: 'rename', from: long, to: long, replace: true },
  { kind: 'remove', path },
  { kind: 'mkdir', path, mode: 0o755 },
  { kind: 'rmdir', path: Buffer.alloc(0) },
  { kind: 'symlink', path, target: Buffer.from('/etc/passwd') },
  { kind: 'link', existing: path, path: Buffer.from('other') },
];
const toEngine: readonly ToEngine[] = [
  { kind: 'hello', versions: { lowest: 1, highest: 65_535 }, epoch: 2 ** 40, door: 'worker-1' },
  { kind: 'ping', number: 0xffff_ffff },
  ...requests.map((request, index) => ({ session: 2 ** 31 + index, request: index, ...request })),
];
const to = { session: 5, request: 0xffff_fffe };
const fromEngine: readonly FromEngine[] = [
  { kind: 'welcome', version: 1, epoch: 2 ** 40, allowance: defaultAllowance },
  ...goodbyeCodes.map((code) => ({ kind: 'goodbye' as const, code, sentence: 'it is over' })),
  { kind: 'refusing', reason: '' },
  { kind: 'refusing', reason: 'zu wenige Kopien: ß' },
  { kind: 'pong', number: 1 },
  { kind: 'acknowledged', session: 5, bytes: 2 ** 50 },
  { kind: 'appended', ...to, size: 2 ** 40 },
  { kind: 'write-refused', ...to, written: maxWriteBytes, errno: 'ENOSPC', sentence: 'the disk is full' },
  { kind: 'begun', ...to, made: 2 },
  {
    kind: 'opened',
    ...to,
    handle: 9,
    path: long,
    created: true,
    device: 2n ** 63n,
    inode: 2n ** 64n - 1n,
    size: 0,
  },
  { kind: 'done', ...to, durable: true, paths: [] },
  { kind: 'done', ...to, durable: false, paths: [long, long] },
  { kind: 'refused', ...to, errno: 'ENOENT', sentence: '' },
];

function frameOf(parts: readonly Buffer[], limit: number): Frame {
  const [frame, ...more] = [...new FrameDecoder(limit).push(Buffer.concat(parts))];
  assert.ok(frame !== undefined && more.length === 0);
  return frame;
}

const requestFrame = (message: ToEngine) => frameOf(encodeToEngine(message), maxRequestFrameBytes);
const answerFrame = (message: FromEngine) => frameOf([encodeFromEngine(message)], maxAnswerFrameBytes);

describe('the messages between door and engine', () => {
  for (const message of toEngine)
    it(`to the engine: ${message.kind}`, () => {
      assert.deepEqual(decodeToEngine(requestFrame(message)), message);
    });

  for (const message of fromEngine)
    it(`from the engine: ${message.kind}`, () => {
      assert.deepEqual(decodeFromEngine(answerFrame(message)), message);
    });

  it('take data that lies in pieces', () => {
    const pieces = [Buffer.from('ab'), Buffer.from('c')];
    const parts = encodeData({ session: 1, request: 2 }, { kind: 'write', handle: 3, offset: 4 }, pieces);
    assert.deepEqual(decodeToEngine(frameOf(parts, maxRequestFrameBytes)), {
      kind: 'write',
      session: 1,
      request: 2,
      handle: 3,
      offset: 4,
      data: Buffer.from('abc'),
    });
    assert.ok(
      pieces.every((piece) => parts.includes(piece)),
      'they are not copied',
    );
  });

  it('cut sentences to their bound, between characters', () => {
    const sentence = `a${'ß'.repeat(maxSentenceBytes)}`;
    const decoded = decodeFromEngine(answerFrame({ kind: 'refused', ...to, errno: 'EIO', sentence }));
    assert.ok(decoded.kind === 'refused');
    assert.equal(decoded.sentence, `a${'ß'.repeat((maxSentenceBytes - 2) / 2)}`);
  });

  it('are refused where a field is beyond its bound, by both sides', () => {
    const wrong: ToEngine[] = [
      { kind: 'remove', ...to, path: Buffer.alloc(maxPathBytes + 1, 0x61) },
      { kind: 'mkdir', ...to, path, mode: 0o10000 },
      { kind: 'write', ...to, handle: 1, offset: 0, data: Buffer.alloc(maxWriteBytes + 1) },
      { kind: 'write', ...to, handle: 1, offset: 0, data: Buffer.alloc(0) },
      { kind: 'append', ...to, handle: 1, data: Buffer.alloc(0) },
      { kind: 'write', ...to, handle: 1, offset: Number.MAX_SAFE_INTEGER, data: Buffer.alloc(1) },
      { kind: 'set-attributes', ...to, path, follow: true, attributes: { size: 2 ** 53 } },
      { kind: 'set-attributes', ...to, path, follow: true, attributes: { accessedAtUs: -1 } },
      { kind: 'hello', versions: { lowest: 1, highest: 1 }, epoch: 1, door: 'x'.repeat(256) },
    ];
    for (const message of wrong) assert.throws(() => encodeToEngine(message), FormatError, message.kind);
    assert.throws(
      () => encodeFromEngine({ kind: 'refused', ...to, errno: 'not a code', sentence: '' }),
      FormatError,
    );
    assert.throws(
      () => encodeFromEngine({ kind: 'done', ...to, durable: true, paths: [path, path, path] }),
      FormatError,
    );

    const good = requestFrame({ kind: 'remove', ...to, path: long });
    const body = Buffer.concat([good.body, Buffer.of(0x61)]);
    body.writeUInt32BE(maxPathBytes + 1, 8);
    assert.throws(() => decodeToEngine({ type: good.type, body }), /path has 65537 bytes/);
    const write = requestFrame({ kind: 'write', ...to, handle: 1, offset: 0, data: Buffer.alloc(1) });
    for (const data of [0, maxWriteBytes + 1]) {
      const changed = Buffer.concat([write.body.subarray(0, 20), Buffer.alloc(data)]);
      assert.throws(() => decodeToEngine({ type: write.type, body: changed }), FormatError);
    }
    const far = Buffer.from(write.body);
    far.writeBigUInt64BE(2n ** 53n - 1n, 12);
    assert.throws(() => decodeToEngine({ type: write.type, body: far }), /beyond 2\^53/);
  });

  it('are refused when anything follows their last field', () => {
    for (const message of toEngine) {
      if (message.kind === 'write' || message.kind === 'append') continue;
      const { type, body } = requestFrame(message);
      const longer = Buffer.concat([body, Buffer.of(0)]);
      assert.throws(() => decodeToEngine({ type, body: longer }), FormatError, message.kind);
    }
    for (const message of fromEngine) {
      const { type, body } = answerFrame(message);
      const longer = Buffer.concat([body, Buffer.of(0)]);
      assert.throws(() => decodeFromEngine({ type, body: longer }), FormatError, message.kind);
    }
  });

  it('that are cut short or changed are refused, or are other messages within the bounds', () => {
    const again = (
      type: number,
      body: Buffer,
      decode: (frame: Frame) => unknown,
      encode: (message: never) => unknown,
    ) => {
      let message: unknown;
      try {
        message = decode({ type, body });
      } catch (error) {
        assert.ok(error instanceof FormatError, String(error));
        return;
      }
      encode(message as never);
    };
    const both = [
      ...toEngine.map((message) => [requestFrame(message), decodeToEngine, encodeToEngine] as const),
      ...fromEngine.map((message) => [answerFrame(message), decodeFromEngine, encodeFromEngine] as const),
    ];
    for (const [{ type, body }, decode, encode] of both) {
      const head = Math.min(body.length, 80);
      for (let end = 0; end < head; end++) again(type, body.subarray(0, end), decode, encode);
      for (let round = 0; round < 200; round++) {
        const changed = Buffer.from(body);
        for (let flips = 0; flips <= round % 3; flips++)
          changed[Math.floor(Math.random() * head)] = Math.floor(Math.random() * 256);
        again(round % 10 === 0 ? round : type, changed, decode, encode);
      }
    }
  });

  it('are of the highest version that both speak', () => {
    assert.equal(commonVersion({ lowest: 1, highest: 3 }, { lowest: 2, highest: 9 }), 3);
    assert.equal(commonVersion({ lowest: 2, highest: 3 }, { lowest: 1, highest: 2 }), 2);
    assert.equal(commonVersion({ lowest: 3, highest: 3 }, { lowest: 1, highest: 2 }), null);
    assert.equal(commonVersion({ lowest: 1, highest: 1 }, { lowest: 2, highest: 2 }), null);
  });
});
