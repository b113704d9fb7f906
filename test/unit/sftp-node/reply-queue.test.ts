import assert from 'node:assert/strict';
import { Duplex, PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import { ReplyQueue, type SftpConnection } from '../../../sftp-node/sftp/reply-queue.ts';

const soon = () => new Promise((resolve) => setImmediate(resolve));

function setUp() {
  const sent: string[] = [];
  const stuck: (() => void)[] = [];
  const state = { mayAcknowledge: true, mayAnswer: true, hungUp: 0, stalls: false };
  const channel = new Duplex({
    highWaterMark: 1000,
    read: () => {},
    write: (chunk: Buffer, _encoding, done) => {
      sent.push(chunk.length > 100 ? `${chunk.length} bytes` : chunk.toString());
      if (state.stalls) stuck.push(done);
      else done();
    },
  });
  const aborter = new AbortController();
  const socket = new PassThrough({ highWaterMark: 16_384 });
  const connection: SftpConnection = {
    channel,
    socket,
    signal: aborter.signal,
    hangUp: () => {
      state.hungUp += 1;
    },
  };
  const queue = new ReplyQueue(connection, (acknowledges) =>
    acknowledges ? state.mayAcknowledge : state.mayAnswer,
  );
  return { queue, sent, stuck, state, aborter, socket, channel };
}

function later() {
  let resolve: (reply: Buffer) => void = () => {};
  let reject: (error: Error) => void = () => {};
  const reply = new Promise<Buffer>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { reply, resolve: (text: string) => resolve(Buffer.from(text)), reject };
}

describe('replies', () => {
  it('leave in the order of their requests', async () => {
    const { queue, sent } = setUp();
    const [first, third] = [later(), later()];
    queue.push(first.reply, true);
    queue.push(Buffer.from('second'), false);
    queue.push(third.reply, true);
    third.resolve('third');
    await soon();
    assert.deepEqual(sent, []);
    first.resolve('first');
    await queue.idle();
    queue.push(Buffer.from('fourth'), false);
    assert.deepEqual(sent, ['first', 'second', 'third', 'fourth']);
  });

  it('that acknowledge a change are stopped by the gate at the moment they leave (G1)', async () => {
    const { queue, sent, state } = setUp();
    const close = later();
    queue.push(close.reply, true);
    queue.push(Buffer.from('a WRITE done while the gate was open'), true);
    state.mayAcknowledge = false;
    close.resolve('the CLOSE before it');
    await queue.idle();
    assert.deepEqual(sent, []);
    assert.equal(state.hungUp, 1);
    assert.equal((queue.failure as Error).name, 'MayNotAcknowledge');
  });

  it('do not leave when the gate is over, whatever they tell: another host may lead', async () => {
    const { queue, sent, state } = setUp();
    state.mayAnswer = false;
    queue.push(Buffer.from('data that may be old'), false);
    await queue.idle();
    assert.deepEqual(sent, []);
    assert.equal(state.hungUp, 1);
  });

  it('that acknowledge a change wait for a permit that lies unread, and leave when it opens the gate', async () => {
    const { queue, sent, state } = setUp();
    state.mayAcknowledge = false;
    queue.push(Buffer.from('first'), true);
    queue.push(Buffer.from('second'), false);
    assert.deepEqual(sent, []);
    setImmediate(() => {
      state.mayAcknowledge = true;
    });
    await queue.idle();
    assert.deepEqual(sent, ['first', 'second']);
    assert.equal(state.hungUp, 0);
  });

  it('that tell of no change leave while the gate is shut', () => {
    const { queue, sent, state } = setUp();
    state.mayAcknowledge = false;
    queue.push(Buffer.from('data'), false);
    assert.deepEqual(sent, ['data']);
  });

  it('end with the first that failed: a client must not take a later one for it', async () => {
    const { queue, sent, state } = setUp();
    const [first, second] = [later(), later()];
    queue.push(first.reply, false);
    queue.push(second.reply, false);
    second.reject(new Error('second'));
    await soon();
    first.reject(new Error('first'));
    queue.push(Buffer.from('third'), false);
    await queue.idle();
    assert.deepEqual(sent, []);
    assert.equal(state.hungUp, 1);
    assert.equal((queue.failure as Error).message, 'first');
  });

  it('that wait leave room for 256 requests', async () => {
    const { queue } = setUp();
    const first = later();
    queue.push(first.reply, true);
    for (let count = 1; count < 256; count++) {
      assert.equal(queue.hasRoom, true);
      queue.push(Buffer.from('x'), false);
    }
    assert.equal(queue.hasRoom, false);
    const room = queue.room();
    first.resolve('first');
    await room;
  });

  it('that wait hold no more than 4 MiB of data', () => {
    const { queue } = setUp();
    queue.push(later().reply, true);
    for (let count = 0; count < 15; count++) queue.push(Buffer.alloc(261_120), false);
    assert.equal(queue.hasRoom, true);
    queue.push(Buffer.alloc(1 << 20), false);
    assert.equal(queue.hasRoom, false);
  });

  it('wait for a channel that is full', async () => {
    const { queue, stuck, state } = setUp();
    state.stalls = true;
    queue.push(Buffer.alloc(2000), false);
    assert.equal(queue.hasRoom, false);
    const room = queue.room();
    for (const done of stuck) done();
    await room;
  });

  it('wait for a socket that is full, whatever the window of the channel', async () => {
    const { queue, socket } = setUp();
    socket.write(Buffer.alloc(1 << 20));
    assert.equal(queue.hasRoom, false);
    const room = queue.room();
    socket.resume();
    await room;
  });

  it('wait for nobody when the client is gone', async () => {
    const { queue, state, aborter, channel, socket } = setUp();
    state.stalls = true;
    queue.push(Buffer.alloc(2000), false);
    const room = queue.room();
    aborter.abort();
    await room;
    assert.equal(channel.listenerCount('drain') + socket.listenerCount('drain'), 0);
  });
});
