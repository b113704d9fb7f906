/**
 * npm run sim -- [--engine [--without RULE]] --seeds 10000 [--start N] | --corpus | --seed N
 *
 * Lives through so many random stories and checks the guarantees at every step. A broken one is printed with its seed,
 * the commit, and its story, shortened to the misfortunes that it takes; `--seed N` tells it again;
 * `--corpus` lives through the fixed ones. With `--engine` the stories are those of the storage engine's rules
 * (`engine/`), of which one can be left out, to see that it is missed.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { execa } from 'execa';
import { corpus } from './corpus.ts';
import { droppable } from './engine/rules.ts';
import { tellEngineStory } from './engine/story.ts';
import { type Counts, type Life, liveThrough, shorten } from './life.ts';

interface Kind {
  readonly engine: boolean;
  readonly without: string;
}

type Told = Pick<Life, 'seed' | 'broken' | 'story' | 'counts'>;

/** One story; a broken one with what it takes to break it. */
async function tell(seed: number, { engine, without }: Kind, isTold = false): Promise<Told> {
  if (engine) return tellEngineStory(seed, new Set(without === '' ? [] : [without]));
  const life = await liveThrough(seed, new Set(), isTold);
  const told = life.broken === null ? life : await shorten(life);
  return { ...told, counts: { 'writes acknowledged': life.acknowledged, ...life.counts } };
}

function add(sum: Counts, more: Counts): void {
  for (const [what, count] of Object.entries(more)) sum[what] = (sum[what] ?? 0) + count;
}

async function work(seeds: readonly number[], kind: Kind): Promise<void> {
  const counts: Counts = {};
  for (const seed of seeds) {
    const told = await tell(seed, kind);
    add(counts, told.counts);
    if (told.broken !== null) parentPort?.postMessage({ broken: told });
  }
  parentPort?.postMessage({ done: seeds.length, counts });
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '1000' },
      start: { type: 'string' },
      seed: { type: 'string' },
      corpus: { type: 'boolean', default: false },
      engine: { type: 'boolean', default: false },
      without: { type: 'string', default: '' },
    },
  });
  const kind: Kind = { engine: values.engine, without: values.without };
  if (kind.without !== '' && !(kind.engine && kind.without in droppable))
    throw new Error(`--engine --without one of ${Object.keys(droppable).join(', ')}`);
  if (values.seed !== undefined) {
    const { broken, story } = await tell(Number(values.seed), kind, true);
    process.stdout.write(`${story.join('\n')}\n${broken ?? 'all guarantees hold'}\n`);
    process.exitCode = broken === null ? 0 : 1;
    return;
  }
  const start = values.start === undefined ? Math.floor(Math.random() * 1e9) : Number(values.start);
  const seeds = values.corpus
    ? corpus
    : Array.from({ length: Number(values.seeds) }, (_, index) => start + index);
  const workers = availableParallelism();
  const { stdout: commit } = await execa('git', ['describe', '--always', '--dirty'], { reject: false });
  const began = performance.now();
  let failures = 0;
  const counts: Counts = {};
  process.stdout.write(`${seeds.length} seeds from ${seeds[0]}, on ${workers} threads\n`);
  await Promise.all(
    Array.from({ length: workers }, (_, index) => {
      const share = seeds.filter((_, position) => position % workers === index);
      const worker = new Worker(new URL(import.meta.url), { workerData: { seeds: share, kind } });
      worker.on('message', (message) => {
        if (message.done !== undefined) add(counts, message.counts);
        else if (failures++ < 3) {
          const { seed, broken, story } = message.broken;
          process.stdout.write(`\nseed ${seed} at ${commit}: ${broken}\n${story.slice(-25).join('\n')}\n`);
        }
      });
      return new Promise((resolve, reject) => worker.on('exit', resolve).on('error', reject));
    }),
  );
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  process.stdout.write(
    `${Object.entries(counts)
      .map(([what, count]) => `${what}: ${count}`)
      .join(', ')}\n${failures} of ${seeds.length} stories broke a guarantee; ${seconds} s\n`,
  );
  process.exitCode = failures === 0 ? 0 : 1;
}

if (isMainThread) await main();
else {
  const { seeds, kind } = workerData as { seeds: number[]; kind: Kind };
  await work(seeds, kind);
}
