/** What does not fit its packet, or has more in it than its fields: as OpenSSH's server takes it. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { FieldWriter } from '../../../sftp-node/sftp/fields.ts';
import { openFlag, packetType, statusCode } from '../../../sftp-node/sftp/protocol.ts';
import { type Case, everyRequest, prepare } from './requests.ts';
import { SessionFixture } from './session-fixture.ts';

describe('a request', { timeout: 20_000 }, () => {
  let session: SessionFixture;
  beforeEach(async () => {
    session = await SessionFixture.open();
    prepare(session.home);
  });
  afterEach(() => session.dispose());

  for (const { name, type, fields, reply } of everyRequest) {
    it(`${name} with bytes after its last field is carried out`, async () => {
      const packet = (await fields(session)).raw(Buffer.from('and something more'));
      const answer = await session.raw.request(type, packet);
      assert.equal(answer.type, reply ?? packetType.status);
      if (reply === undefined) assert.equal(answer.fields.u32(), statusCode.ok);
    });
  }

  /** Every place at which the packet can end too soon. */
  async function cutOff(cases: readonly Case[], check: (name: string, status: number) => void) {
    for (const { name, type, fields, fixed = 0 } of cases) {
      const whole = (await fields(session)).packet(0).subarray(5);
      for (let length = fixed; length < whole.length; length++) {
        const answer = await session.raw.request(type, new FieldWriter().raw(whole.subarray(0, length)));
        assert.equal(answer.type, packetType.status, `${name} cut to ${length}`);
        check(`${name} cut to ${length}`, answer.fields.u32());
      }
    }
  }

  it('that ends too soon gets BAD_MESSAGE, wherever it ends, and the session goes on', async () => {
    const before = readFileSync(session.at('f'), 'utf8');
    const changed = () => session.kinds.filter((kind) => kind !== 'open' && kind !== 'write').length;
    const operations = changed();
    // In a handle that is not whole there is no handle to look for.
    await cutOff(everyRequest, (what, status) => assert.equal(status, statusCode.badMessage, what));
    assert.equal(changed(), operations, 'nothing was changed');
    assert.equal(readFileSync(session.at('f'), 'utf8'), before);
    assert.equal(await session.raw.mkdir('/on'), statusCode.ok);
  });

  it('WRITE of which the data is longer than the packet writes nothing', async () => {
    const handle = await session.raw.open('/new', openFlag.write | openFlag.create);
    assert.ok(handle !== null);
    const lying = new FieldWriter().bytes(handle).u64(0).u32(4097).raw(Buffer.alloc(4096, 'x'));
    assert.equal(await session.raw.status(packetType.write, lying), statusCode.badMessage);
    const far = new FieldWriter()
      .bytes(handle)
      .u64(2n ** 63n)
      .text('x');
    assert.equal(await session.raw.status(packetType.write, far), statusCode.badMessage);
    assert.equal(readFileSync(session.at('new'), 'utf8'), '');
    assert.equal(await session.raw.write(handle, 0, Buffer.from('text')), statusCode.ok);
    assert.equal(await session.raw.close(handle), statusCode.ok);
    assert.equal(readFileSync(session.at('new'), 'utf8'), 'text');
  });

  it('WRITE with more in the packet than its data writes its data, large ones too', async () => {
    const handle = await session.raw.open('/new', openFlag.write | openFlag.create);
    assert.ok(handle !== null);
    const sizes = [0, 1, 4096, 100_000, 200_000];
    let offset = 0;
    for (const size of sizes) {
      const data = Buffer.alloc(size, `${size}`);
      // As Go's client library sends the end of a file: the buffer whole, whatever is in it.
      const packet = new FieldWriter().bytes(handle).u64(offset).bytes(data).raw(Buffer.alloc(28_672, '!'));
      assert.equal(await session.raw.status(packetType.write, packet), statusCode.ok);
      offset += size;
    }
    assert.equal(await session.raw.close(handle), statusCode.ok);
    const expected = Buffer.concat(sizes.map((size) => Buffer.alloc(size, `${size}`)));
    assert.ok(readFileSync(session.at('new')).equals(expected));
  });

  it('WRITE to a handle that was never given is refused by its status', async () => {
    for (const handle of [Buffer.from('foreign handle'), Buffer.alloc(0), Buffer.from([0, 0, 9, 9])]) {
      assert.equal(await session.raw.write(handle, 0, Buffer.from('x')), statusCode.failure);
    }
  });

  it('that nobody knows is said to be unsupported, and one without a name malformed', async () => {
    assert.equal(await session.raw.status(99, new FieldWriter()), statusCode.operationUnsupported);
    assert.equal(await session.raw.extended('x@example.org'), statusCode.operationUnsupported);
    const nameless = new FieldWriter().u32(1000).raw(Buffer.from('short'));
    assert.equal(await session.raw.status(packetType.extended, nameless), statusCode.badMessage);
  });

  it('INIT with extensions of the client, and again, is answered as OpenSSH does', async () => {
    const init = new FieldWriter().u32(3).text('newline@vandyke.com').text('\r\n').packet(packetType.init);
    session.raw.channel.write(init);
    session.raw.channel.write(init);
    assert.equal(await session.raw.mkdir('/on'), statusCode.ok);
  });

  for (const [what, bytes] of [
    ['without an id', new FieldWriter().raw(Buffer.alloc(3)).packet(packetType.stat)],
    ['of no bytes', Buffer.alloc(8)],
    ['of more than 256 KiB', Buffer.from([0, 4, 0, 1, packetType.stat, 0, 0, 0, 1])],
  ] as const) {
    it(`${what} ends the session: it cannot be answered or framed`, async () => {
      session.raw.channel.write(bytes);
      assert.ok((await session.ended) instanceof Error);
      assert.ok(session.hungUp);
    });
  }

  it('leaves no file behind that a cut OPEN would have made', async () => {
    writeFileSync(session.at('there'), '');
    const open = new FieldWriter().text('/made').u32(openFlag.write | openFlag.create);
    assert.equal(await session.raw.status(packetType.open, open), statusCode.badMessage);
    assert.equal(existsSync(session.at('made')), false);
  });
});
