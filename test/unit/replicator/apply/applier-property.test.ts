import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { errnoOf } from '../../../../replicator/apply/errno.ts';
import type { LogRecord } from '../../../../replicator/core/record.ts';
import { Random } from '../../../sim/timeline.ts';
import { bytes, Engine, flusherOf, openDescriptors, treeOf } from './engine.ts';
import { RandomRecords } from './random-records.ts';

const rounds = 20;
const stepsPerRound = 250;

/** The code that it fails with, or what it says it did, but for inode numbers. */
function outcome(engine: Engine, record: LogRecord): string {
  try {
    const data = record.kind === 'write' ? Buffer.alloc(record.length, record.offset) : undefined;
    const { subject, replaced, created, changed } = engine.applier.apply(record, data);
    return JSON.stringify({
      ...subject,
      created,
      changed,
      replaced: replaced && { ...replaced, inode: 0 },
      inode: 0,
    });
  } catch (error) {
    return errnoOf(error) ?? String(error);
  }
}

describe('two hosts that apply the same records', () => {
  it('have the same trees afterwards, say the same meanwhile, as the preconditions said, and leave no descriptor open', async (context) => {
    const seed = 1 + Math.floor(Math.random() * 2 ** 31);
    context.diagnostic(`seed ${seed}`);
    const descriptors = openDescriptors();
    let made = 0;
    for (let round = 0; round < rounds; round++) {
      const records = new RandomRecords(new Random(seed + round));
      const [one, other] = [new Engine(), new Engine(round % 2 === 0 ? 0 : 2)];
      try {
        const step = (asked: LogRecord) => {
          const record = one.fit(asked);
          const refusal = one.preconditions.refusal(record);
          const [here, there] = [outcome(one, record), outcome(other, record)];
          assert.equal(refusal === null, here.startsWith('{'), `seed ${seed + round}: ${refusal}, ${here}`);
          assert.equal(there, here, `seed ${seed + round}: ${JSON.stringify(record)}`);
          if (!here.startsWith('{')) return;
          made += 1;
          records.made(record);
        };
        for (let steps = 0; steps < stepsPerRound; steps++) for (const record of records.next()) step(record);
        for (const record of records.end()) step(record);
        await flusherOf(one).everything();
        assert.deepEqual(one.dirty.files, [], 'what is closed and flushed is not kept');
        assert.equal(one.dirty.kept, 0);
        assert.deepEqual(treeOf(bytes(other.root)), treeOf(bytes(one.root)), `seed ${seed + round}`);
      } finally {
        one.remove();
        other.remove();
      }
    }
    assert.ok(made > rounds * stepsPerRound * 0.2, `${made} records were possible`);
    assert.equal(openDescriptors(), descriptors);
  });
});
