import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FieldWriter } from '../../../sftp-node/sftp/fields.ts';
import { type Item, PacketStream } from '../../../sftp-node/sftp/packet-stream.ts';
import { maxPacketBytes, packetType } from '../../../sftp-node/sftp/protocol.ts';

const handle = Buffer.from([0, 0, 0, 7]);

function write(id: number, offset: number, data: Buffer, name = handle): Buffer {
  return new FieldWriter().u32(id).bytes(name).u64(offset).bytes(data).packet(packetType.write);
}

function stat(id: number, path: string): Buffer {
  return new FieldWriter().u32(id).text(path).packet(packetType.stat);
}

/** The same packet, made longer than its fields. */
function withSurplus(packet: Buffer, bytes: number): Buffer {
  const longer = Buffer.concat([packet, Buffer.alloc(bytes, 0xee)]);
  longer.writeUInt32BE(longer.length - 4);
  return longer;
}

/** What came out, with the pieces of each WRITE put together. */
function summary(items: Item[]): string[] {
  const lines: string[] = [];
  let data = '';
  let from = -1;
  for (const item of items) {
    if (item.kind === 'packet') {
      lines.push(`${item.type} ${item.body.toString('latin1')}`);
      continue;
    }
    if (from < 0) from = item.offset;
    assert.equal(item.offset, from + data.length, 'a piece belongs where the last one ended');
    data += item.data.toString('latin1');
    if (!item.last) continue;
    lines.push(`write ${item.id} ${item.handle.toString('hex')} at ${from}: ${data}`);
    data = '';
    from = -1;
  }
  return lines;
}

describe('the stream of packets', () => {
  const stream = Buffer.concat([
    stat(1, '/a'),
    write(2, 100, Buffer.from('hello world')),
    write(3, 0, Buffer.alloc(0)),
    stat(4, '/b'),
  ]);
  const expected = summary([...new PacketStream().push(stream)]);

  it('is cut into requests', () => {
    assert.deepEqual(expected.slice(1, 3), [
      'write 2 00000007 at 100: hello world',
      'write 3 00000007 at 0: ',
    ]);
    assert.equal(expected.length, 4);
  });

  it('gives the same wherever it was cut', () => {
    for (let cut = 1; cut < stream.length; cut++) {
      const packets = new PacketStream();
      const items = [...packets.push(stream.subarray(0, cut)), ...packets.push(stream.subarray(cut))];
      assert.deepEqual(summary(items), expected, `cut at ${cut}`);
    }
  });

  it('gives the same byte by byte', () => {
    const packets = new PacketStream();
    const items = [...stream].flatMap((byte) => [...packets.push(Buffer.from([byte]))]);
    assert.deepEqual(summary(items), expected);
  });

  it('passes the data of a WRITE on before its rest is there', () => {
    const packet = write(9, 0, Buffer.alloc(1000, 'x'));
    const [item] = [...new PacketStream().push(packet.subarray(0, 500))];
    assert.ok(item?.kind === 'write' && !item.last && item.data.length > 400);
  });

  it('takes a WRITE with a foreign handle for a plain packet, to be refused by its handler', () => {
    const [item] = [...new PacketStream().push(write(5, 0, Buffer.from('x'), Buffer.from('foreign')))];
    assert.ok(item?.kind === 'packet' && item.type === packetType.write);
  });

  it('gathers a long packet from small pieces', () => {
    const packet = new FieldWriter().u32(7).bytes(Buffer.alloc(200_000, 'x')).packet(packetType.setstat);
    const packets = new PacketStream();
    const items: Item[] = [];
    for (let at = 0; at < packet.length; at += 3) items.push(...packets.push(packet.subarray(at, at + 3)));
    assert.equal(items.length, 1);
    assert.ok(items[0]?.kind === 'packet' && items[0].body.equals(packet.subarray(5)));
    assert.deepEqual(summary([...packets.push(stat(1, '/a'))]), expected.slice(0, 1), 'and goes on after it');
  });

  it('passes over what follows the data of a WRITE, wherever it is cut, as OpenSSH does', () => {
    const long = Buffer.concat([
      withSurplus(write(2, 100, Buffer.from('hello world')), 28_700),
      withSurplus(write(3, 0, Buffer.alloc(0)), 9),
      withSurplus(stat(4, '/b'), 3),
      stat(5, '/c'),
    ]);
    const whole = summary([...new PacketStream().push(long)]);
    assert.deepEqual(whole.slice(0, 2), ['write 2 00000007 at 100: hello world', 'write 3 00000007 at 0: ']);
    assert.equal(whole.length, 4);
    for (const cut of [1, 28, 29, 30, 39, 40, 41, 28_739, 28_740, 28_741, 28_770, long.length - 1]) {
      const packets = new PacketStream();
      const items = [...packets.push(long.subarray(0, cut)), ...packets.push(long.subarray(cut))];
      assert.deepEqual(summary(items), whole, `cut at ${cut}`);
    }
    const packets = new PacketStream();
    assert.deepEqual(summary([...long].flatMap((byte) => [...packets.push(Buffer.from([byte]))])), whole);
  });

  it('takes the data of a WRITE up to the end of the largest packet', () => {
    const [item] = [...new PacketStream().push(write(1, 0, Buffer.alloc(maxPacketBytes - 25)))];
    assert.ok(item?.kind === 'write' && item.last && item.data.length === maxPacketBytes - 25);
  });

  it('hands on a WRITE whose fields do not fit it as a packet, and goes on after it', () => {
    const lying = write(1, 0, Buffer.from('abc'));
    lying.writeUInt32BE(4, 25);
    const far = write(1, 0, Buffer.from('abc'));
    far.writeUInt32BE(0xffff_ffff, 17);
    const longHandle = write(1, 0, Buffer.from('abc'));
    longHandle.writeUInt32BE(0xffff_ffff, 9);
    const idAlone = new FieldWriter().u32(1).packet(packetType.write);
    const toTheHandle = new FieldWriter().u32(1).bytes(handle).packet(packetType.write);
    const toTheOffset = new FieldWriter().u32(1).bytes(handle).u64(0).packet(packetType.write);
    for (const packet of [lying, far, longHandle, idAlone, toTheHandle, toTheOffset]) {
      const [alone] = [...new PacketStream().push(packet)];
      assert.ok(alone?.kind === 'packet' && alone.body.equals(packet.subarray(5)), 'it waits for no more');
      const both = Buffer.concat([packet, stat(2, '/a')]);
      for (let cut = 1; cut < both.length; cut++) {
        const packets = new PacketStream();
        const items = [...packets.push(both.subarray(0, cut)), ...packets.push(both.subarray(cut))];
        assert.deepEqual(
          items.map((item) => item.kind === 'packet' && item.type),
          [packetType.write, packetType.stat],
        );
      }
    }
  });

  it('ends the channel at what cannot be SFTP', () => {
    const tooLong = Buffer.alloc(9);
    tooLong.writeUInt32BE(0x7fffffff);
    assert.throws(() => [...new PacketStream().push(tooLong)], /a packet of 2147483647 bytes/);
    assert.throws(() => [...new PacketStream().push(Buffer.alloc(9))], /a packet of 0 bytes/);
    assert.throws(() => [...new PacketStream().push(Buffer.from('SSH-2.0-garbage\r\n'))], /a packet of/);
  });
});
