/**
 * npm run chaos -- [--rounds N] [--seed N]
 *
 * One lab lives through so many rounds of random misfortunes, under the scrutiny of test/lab/scrutiny.ts: a partner asks
 * every millisecond who serves, others upload. Ends at the first promise that is broken, and leaves the logs of all
 * hosts. The seed draws the misfortunes; what real processes make of them differs from run to run.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Lab } from '../lab/lab.ts';
import { underScrutiny } from '../lab/scrutiny.ts';
import { Random } from '../sim/timeline.ts';
import { drawMisfortunes } from './misfortunes.ts';

const longestPauseMs = 3000;

async function round(lab: Lab, random: Random): Promise<void> {
  const misfortunes = drawMisfortunes(lab, random).map((misfortune) => ({
    ...misfortune,
    afterMs: Math.round(random.between(0, longestPauseMs)),
  }));
  for (const { name, afterMs } of misfortunes) process.stdout.write(`  after ${afterMs} ms, ${name}\n`);
  const { name } = await underScrutiny(lab, async () => {
    await Promise.all(
      misfortunes.map(async ({ happen, afterMs, name: what }) => {
        await delay(afterMs);
        for (const host of lab.hosts) host.note(what);
        await happen();
      }),
    );
  });
  process.stdout.write(`  ${name} leads\n`);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { rounds: { type: 'string', default: '20' }, seed: { type: 'string' } },
  });
  const seed = values.seed === undefined ? Math.floor(Math.random() * 1e9) : Number(values.seed);
  const random = new Random(seed);
  await using lab = await Lab.create();
  await lab.start();
  for (let number = 1; number <= Number(values.rounds); number++) {
    process.stdout.write(`round ${number}, seed ${seed}\n`);
    try {
      await round(lab, random);
    } catch (error) {
      const logs = join(tmpdir(), `holdfast-chaos-${seed}-${number}`);
      mkdirSync(logs);
      for (const host of lab.hosts) writeFileSync(join(logs, `${host.name}.log`), host.log());
      process.stdout.write(`  broken; the logs are in ${logs}\n`);
      throw error;
    }
  }
}

await main();
