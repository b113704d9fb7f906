/**
 * What the ordering thread of the storage engine takes, without sockets and followers: `node test/bench/engine/main.ts`.
 * Creates, writes 4 KiB and closes with a barrier, so many clients at a time; and WRITEs of 32 KiB, eight a turn.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StorageEngine } from '../../../replicator/engine/engine.ts';
import { optionsIn } from '../../unit/replicator/engine/engine-host.ts';
import { TestClient } from '../../unit/replicator/engine/test-client.ts';

const files = 4000;
const writes = 16_384;
const gate = { mayChange: true, mayAcknowledge: true };

async function measured(what: string, count: number, work: () => Promise<void>): Promise<void> {
  const cpu = process.cpuUsage();
  const startedAt = process.hrtime.bigint();
  await work();
  const seconds = Number(process.hrtime.bigint() - startedAt) / 1e9;
  const { user, system } = process.cpuUsage(cpu);
  const each = (user + system) / count;
  console.log(`${what}: ${Math.round(count / seconds)}/s, ${each.toFixed(0)} us of CPU each`);
}

const folder = mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
const defaults = optionsIn(folder);
const engine = await StorageEngine.open({
  ...defaults,
  log: { ...defaults.log, segmentBytes: 16 * 2 ** 20, aheadBytes: 2 ** 20, maxBytes: 2 ** 28 },
  maxActive: 4096,
});
try {
  const leading = await engine.lead(1, 'a');
  const work = engine.serve(leading, gate, { durable: async () => {}, isFull: false, keepsData: false });
  const client = new TestClient(work);
  await client.begin();
  for (const atOnce of [1, 16, 64]) {
    await measured(`create, write 4 KiB, close with its barrier, ${atOnce} at a time`, files, async () => {
      let next = 0;
      const one = async () => {
        while (next < files) {
          const handle = await client.open(`${atOnce}-${next++}`);
          const data = Buffer.alloc(4096, 1);
          await client.turn({ kind: 'write', handle, offset: 0, data }, { kind: 'close', handle });
        }
      };
      await Promise.all(Array.from({ length: atOnce }, one));
    });
  }
  const handle = await client.open('large');
  const data = Buffer.alloc(32 * 1024, 1);
  await measured('WRITEs of 32 KiB, eight a turn', writes, async () => {
    for (let at = 0; at < writes; at += 8) {
      const offsets = Array.from({ length: 8 }, (_, index) => (at + index) * data.length);
      await client.turn(...offsets.map((offset) => ({ kind: 'write', handle, offset, data }) as const));
      while (client.isPaused) await new Promise((resolve) => setImmediate(resolve));
    }
    await client.ask({ kind: 'close', handle });
  });
} finally {
  await engine.close();
  rmSync(folder, { recursive: true, force: true });
}
