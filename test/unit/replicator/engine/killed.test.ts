import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { Replica } from '../../../../replicator/core/replica.ts';
import { readBatch } from '../../../../replicator/log/batch.ts';
import { Checker } from '../../../sim/engine/checker.ts';
import { VirtualDisk } from '../../../sim/engine/disk.ts';
import type { EngineHost } from '../../../sim/engine/host.ts';
import { Random } from '../../../sim/timeline.ts';
import { RealHost } from './engine-host.ts';

const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
const kills = 10;

function patternOf(offset: number, length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, at) => (offset * 31 + length * 7 + at) & 0xff));
}

/** What the records of the log make of an empty tree. */
async function replayed(host: RealHost): Promise<{ disk: VirtualDisk; records: number }> {
  const disk = new VirtualDisk();
  const replica = new Replica(disk);
  let records = 0;
  for await (const { payload, first } of host.up.store.log.read(1)) {
    for (const [index, record] of readBatch(payload).records.entries()) {
      if (record.kind === 'unknown' || record.kind === 'suspect') continue;
      const data = record.kind === 'write' ? patternOf(record.offset, record.length) : null;
      replica.consume(first + index, record, data);
      records += 1;
    }
  }
  return { disk, records };
}

describe(`an engine that is killed in the middle of work (SEED=${seed})`, () => {
  it('starts again as what its log says, and doubts the rest', async () => {
    const random = new Random(seed);
    let total = 0;
    // A host for each: from the next leadership on what lies there counts, which the log does not tell.
    for (let round = 0; round < kills; round++) {
      const host = new RealHost('a');
      try {
        const script = join(import.meta.dirname, 'engine-child.ts');
        const child = execa(process.execPath, [script, host.folder, '1', String(seed + round)], {
          reject: false,
        });
        await new Promise((resolve) => child.stdout?.once('data', resolve));
        await sleep(random.below(200));
        child.kill('SIGKILL');
        const { signal, stderr } = await child;
        assert.equal(signal, 'SIGKILL', stderr);

        await host.start();
        assert.equal(host.up.start, 'process-died');
        const { disk, records } = await replayed(host);
        total += records;
        const checker = new Checker();
        checker.applied(host.up.store.log.position, { disk } as unknown as EngineHost);
        checker.checkHost(host.asModel);
      } finally {
        await host.remove();
      }
    }
    assert.ok(total > kills * 5, `${total} records`);
  });
});
