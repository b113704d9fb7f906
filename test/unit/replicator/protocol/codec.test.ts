import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FrameDecoder } from '#contracts/frames.ts';
import { encodeToJournal } from '#contracts/journal/codec.ts';
import {
  decodePeerFrame,
  encodeControl,
  encodeData,
  maxPeerFrameBytes,
} from '../../../../replicator/protocol/codec.ts';
import { type ToLeader, toFollowerSchema, toLeaderSchema } from '../../../../replicator/protocol/message.ts';

function decode(
  parts: readonly Buffer[],
  schema: typeof toLeaderSchema | typeof toFollowerSchema = toLeaderSchema,
) {
  const frames = [...new FrameDecoder(maxPeerFrameBytes).push(Buffer.concat(parts))];
  return frames.map((frame) => decodePeerFrame(schema, frame));
}

const hello: ToLeader = {
  type: 'hello',
  cluster: 'c',
  nodeId: 'two',
  highestEpoch: 3,
  position: { epoch: 2, sequence: 9 },
  resume: null,
};

describe('peer protocol', () => {
  it('carries control messages, operations as the journal made them, and file data', () => {
    const operation = {
      type: 'operation' as const,
      epoch: 3,
      sequence: 4,
      durable: true,
      operation: { kind: 'mkdir' as const, path: Buffer.from([0x61, 0xff]), mode: 0o755 },
    };
    const data = Buffer.from('content');
    const stream = [...encodeControl(hello), ...encodeToJournal(operation), ...encodeData(7, 2 ** 33, data)];
    assert.deepEqual(decode(stream), [hello, operation, { type: 'data', id: 7, offset: 2 ** 33, data }]);
  });

  it('names carry every byte through JSON', () => {
    const bytes = Buffer.from(Array.from({ length: 255 }, (_, index) => index + 1));
    const list: ToLeader = { type: 'list', id: 1, path: bytes.toString('latin1') };
    const [message] = decode(encodeControl(list));
    assert.ok(message?.type === 'list');
    assert.deepEqual(Buffer.from(message.path, 'latin1'), bytes);
  });

  it('refuses what is not of the protocol, with the reason', () => {
    const control = (text: string) => [Buffer.from([0, 0, 0, text.length + 1, 129]), Buffer.from(text)];
    assert.throws(() => decode(control('{')), { message: 'a control message that is not JSON' });
    assert.throws(() => decode(control('{"type":"launch"}')), { name: 'FormatError' });
    const negative: ToLeader = { ...hello, highestEpoch: -1 };
    assert.throws(() => decode(encodeControl(negative)), /highestEpoch/);
    assert.throws(() => decode(encodeControl(hello), toFollowerSchema), { name: 'FormatError' });
    assert.throws(() => decode([Buffer.from([0, 0, 0, 1, 77])]), { message: 'unknown frame type 77' });
    assert.throws(() => decode([Buffer.from([1, 0, 0, 1])]), /more than 16777216/);
  });
});
