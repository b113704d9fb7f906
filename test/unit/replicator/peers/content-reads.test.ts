import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { ContentReads } from '../../../../replicator/peers/content-reads.ts';
import type { OpenContent } from '../../../../replicator/peers/ports.ts';

const fileOf = (bytes: number): OpenContent => ({
  read: async (from, to) => Buffer.alloc(Math.max(0, Math.min(bytes, to) - from)),
  digest: async (from, to) => ({ bytes: Math.max(0, Math.min(bytes, to) - from), digest: Buffer.alloc(32) }),
  close: () => {},
});

describe('what a leader reads for one follower', () => {
  for (const kind of ['want-content', 'want-digest'] as const) {
    it(`is no faster than it may be (${kind})`, async (test) => {
      test.mock.timers.enable({ apis: ['setTimeout'] });
      let nowMs = 0;
      const limits = { content: 100, digest: 100, bytesPerSecond: 1000 };
      const reads = new ContentReads(limits, () => nowMs);
      let done = 0;
      const goOn = () =>
        reads.begin(
          (messages) => {
            done += messages.filter(({ type }) => type === 'answered' || type === 'digest').length;
            goOn();
          },
          (error) => assert.fail(String(error)),
        );
      for (let id = 0; id < 20; id++) reads.add({ kind, id, from: 0, to: 100 }, fileOf(100));
      goOn();
      const doneAt: number[] = [];
      for (; nowMs <= 2500; nowMs += 100) {
        for (let quiet = 0; quiet < 20; quiet++) await turn();
        doneAt.push(done);
        test.mock.timers.tick(100);
      }
      assert.ok((doneAt[0] ?? 0) <= 5, `at once: ${doneAt[0]}`);
      assert.ok((doneAt[10] ?? 0) >= 10 && (doneAt[10] ?? 0) <= 15, `after a second: ${doneAt[10]}`);
      assert.equal(done, 20);
      reads.close();
    });
  }
});
