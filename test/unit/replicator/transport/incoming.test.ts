import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { encodeGreeting, readGreeting } from '../../../../replicator/transport/greeting.ts';
import { Incoming } from '../../../../replicator/transport/incoming.ts';

/** As the runtime does it: into the same memory each time. */
function arrive(incoming: Incoming, bytes: Buffer): void {
  const { buffer, callback } = incoming.onread;
  bytes.copy(buffer);
  assert.equal(callback(bytes.length), true);
  buffer.fill('?', 0, bytes.length);
}

describe('what comes on a connection', () => {
  it('goes whole and in order to one listener after the other, however much of it came early', async () => {
    const bytes = Buffer.concat([
      encodeGreeting({ type: 'accepted' }),
      Buffer.from('then more, and the rest'),
    ]);
    const end = bytes.indexOf('then');
    for (const cuts of [[], [1], [end], [1, end + 4], [5, end - 1, end + 9], [end + 4, end + 10]]) {
      const chunks = [0, ...cuts].map((from, index) => bytes.subarray(from, cuts[index]));
      for (let early = 0; early <= chunks.length; early++) {
        const incoming = new Incoming();
        for (const chunk of chunks.slice(0, early)) arrive(incoming, chunk);
        const greeting = readGreeting(incoming);
        for (const chunk of chunks.slice(early)) arrive(incoming, chunk);
        assert.deepEqual(await greeting, { type: 'accepted' });
        let text = '';
        incoming.listen((chunk) => {
          text += chunk;
        });
        arrive(incoming, Buffer.from('!'));
        assert.equal(text, 'then more, and the rest!', `cut at ${cuts}, ${early} chunks early`);
      }
    }
  });

  it('waits while nobody listens any more, behind what the listener had not needed', () => {
    const incoming = new Incoming();
    for (const text of ['abc', 'def']) arrive(incoming, Buffer.from(text));
    let calls = 0;
    incoming.listen((chunk) => {
      calls += 1;
      incoming.unlisten(chunk.subarray(1));
    });
    assert.equal(calls, 1, 'it is not called again');
    arrive(incoming, Buffer.from('ghi'));
    const chunks: string[] = [];
    incoming.listen((chunk) => void chunks.push(chunk.toString()));
    assert.deepEqual(chunks, ['bc', 'def', 'ghi']);
  });
});
