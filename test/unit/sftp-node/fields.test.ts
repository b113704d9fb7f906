import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FieldReader, FieldWriter } from '../../../sftp-node/sftp/fields.ts';
import { attributeFlag } from '../../../sftp-node/sftp/protocol.ts';

/** What was written, as the reader gets it: without length and type. */
const reader = (writer: FieldWriter) => new FieldReader(writer.packet(0).subarray(5));

describe('the fields of a packet', () => {
  it('come back as they were written', () => {
    const fields = reader(
      new FieldWriter()
        .u32(0xffff_ffff)
        .u64(Number.MAX_SAFE_INTEGER)
        .text('näme')
        .bytes(Buffer.from([0xff, 0x2f])),
    );
    assert.equal(fields.u32(), 0xffff_ffff);
    assert.equal(fields.u64(), Number.MAX_SAFE_INTEGER);
    assert.equal(fields.path().toString(), 'näme');
    assert.deepEqual([...fields.path()], [0xff, 0x2f]);
  });

  it('are never read beyond the end', () => {
    assert.throws(() => new FieldReader(Buffer.alloc(3)).u32(), /too short/);
    assert.throws(() => new FieldReader(Buffer.alloc(7)).u64(), /too short/);
    assert.throws(() => new FieldReader(Buffer.from([0, 0, 0, 9, 1])).bytes(), /too short/);
    assert.throws(() => new FieldReader(Buffer.from([0xff, 0xff, 0xff, 0xff])).bytes(), /too short/);
  });

  it('refuse numbers that JavaScript would round', () => {
    assert.throws(() => reader(new FieldWriter().u64(2n ** 53n)).u64(), /too large/);
  });

  it('refuse paths that no system call takes', () => {
    assert.throws(() => reader(new FieldWriter().bytes(Buffer.alloc(4097, 'a'))).path(), /too long/);
    assert.throws(() => reader(new FieldWriter().text('a\0b')).path(), /zero byte/);
  });

  it('hold attributes, of which only some are there', () => {
    const { size, owner, permissions, times, extended } = attributeFlag;
    const all = new FieldWriter().u32(size | owner | permissions | times | extended);
    all.u64(7).u32(1000).u32(1000).u32(0o100640).u32(11).u32(12).u32(1).text('x').text('y').u32(99);
    const fields = reader(all);
    assert.deepEqual(fields.attributes(), {
      size: 7,
      mode: 0o640,
      accessedAt: 11,
      modifiedAt: 12,
      hasOwner: true,
    });
    assert.equal(fields.u32(), 99, 'what follows is read from where they end');
    assert.deepEqual(reader(new FieldWriter().u32(0)).attributes(), { hasOwner: false });
  });

  it('end at a count of extended attributes that lies', () => {
    const lying = reader(new FieldWriter().u32(attributeFlag.extended).u32(0xffff_ffff).text('x').text('y'));
    assert.throws(() => lying.attributes(), /too short/);
  });
});
