import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { afterFullPoll, deadline, LoopWatch } from '#contracts/lateness.ts';

function watchAt(nowMs: number) {
  const clock = { now: nowMs };
  const stalls: number[] = [];
  const watch = new LoopWatch({ now: () => clock.now, onLate: (byMs) => stalls.push(byMs) });
  const pass = (ms: number) => {
    for (let passed = 0; passed < ms; passed += 100) {
      clock.now += 100;
      watch.beat();
    }
  };
  return { clock, stalls, watch, pass };
}

/** Two ends of a connection, the way in which permits and acknowledgements come. */
async function connected(): Promise<[Socket, Socket]> {
  const { connect } = await import('node:net');
  const server = createServer().listen(join(tmpdir(), `holdfast-poll-${process.pid}.sock`));
  await once(server, 'listening');
  const here = connect(String(server.address()));
  const [there] = await once(server, 'connection');
  server.close();
  return [here, there];
}

/** As a disk call that takes long. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

describe('attended time', () => {
  it('goes with boot time while the loop is punctual', () => {
    const { watch, pass, stalls } = watchAt(5000);
    pass(3000);
    assert.equal(watch.attendedMs(), 8000);
    assert.deepEqual(stalls, []);
  });

  it('leaves out the time in which the loop stood still, also before the late beat', () => {
    const { watch, clock, pass, stalls } = watchAt(0);
    pass(1000);
    clock.now += 3500;
    assert.equal(watch.attendedMs(), 1250, 'in the turn that ends the stall');
    watch.beat();
    assert.equal(watch.attendedMs(), 1250);
    assert.deepEqual(stalls, [3400]);
    pass(1000);
    assert.equal(watch.attendedMs(), 2250);
  });

  it('never goes back', () => {
    const { watch, clock } = watchAt(0);
    let before = 0;
    for (const step of [10, 100, 240, 900, 10, 100]) {
      clock.now += step;
      assert.ok(watch.attendedMs() >= before);
      before = watch.attendedMs();
      watch.beat();
      assert.equal(watch.attendedMs(), before);
    }
  });
});

describe('a deadline of somebody else', () => {
  it('is judged after what lay unread has been read', async () => {
    const [here, there] = await connected();
    const seen: string[] = [];
    here.on('data', () => seen.push('data'));
    const judged = new Promise<void>((resolve) =>
      deadline(10, () => {
        seen.push('judged');
        resolve();
      }),
    );
    setTimeout(() => seen.push('timer'), 10);
    there.write('x');
    block(50);
    await judged;
    assert.deepEqual(seen, ['timer', 'data', 'judged']);
    here.destroy();
    there.destroy();
  });

  it('is read for also when the stall was in the middle of a poll', async () => {
    const [here, there] = await connected();
    const seen: string[] = [];
    here.on('data', () => seen.push('data'));
    const judged = new Promise<void>((resolve) => {
      there.once('data', () => {
        // The kernel was asked before: what comes now belongs to the next poll.
        block(20);
        there.write('answer');
        afterFullPoll(() => {
          seen.push('judged');
          resolve();
        });
      });
    });
    here.write('question');
    await judged;
    assert.deepEqual(seen, ['data', 'judged']);
    here.destroy();
    there.destroy();
  });

  it('can be called off up to the last moment', async () => {
    let judged = false;
    const cancel = deadline(1, () => {
      judged = true;
    });
    await new Promise<void>((resolve) => {
      setTimeout(() => {
        setImmediate(() => {
          cancel();
          resolve();
        });
      }, 1);
      // Both are due at the next turn, one after the other.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    });
    await new Promise<void>(afterFullPoll);
    await new Promise<void>(afterFullPoll);
    assert.equal(judged, false);
  });
});
