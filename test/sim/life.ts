import { BrokenGuarantee, World } from './world.ts';

export type Counts = Record<string, number>;

export interface Life {
  readonly seed: number;
  readonly broken: string | null;
  readonly misfortunes: number;
  readonly story: string[];
  readonly acknowledged: number;
  readonly counts: Counts;
}

export async function liveThrough(
  seed: number,
  without: ReadonlySet<number> = new Set(),
  isTold = false,
): Promise<Life> {
  const world = new World(seed, without, isTold);
  try {
    const lived = await world.run();
    return { seed, broken: null, misfortunes: world.misfortunes, story: world.story, ...lived };
  } catch (error) {
    if (!(error instanceof BrokenGuarantee)) throw error;
    const { misfortunes, story } = world;
    return { seed, broken: error.message, misfortunes, story, acknowledged: 0, counts: {} };
  }
}

/** The same guarantee broken with fewer misfortunes: each is left out in turn for as long as that works. */
export async function shorten(life: Life): Promise<Life> {
  const guarantee = (broken: string | null) => broken?.slice(0, 3);
  const without = new Set<number>();
  for (let number = 0; number < life.misfortunes; number++) {
    without.add(number);
    const tried = await liveThrough(life.seed, without);
    if (guarantee(tried.broken) !== guarantee(life.broken)) without.delete(number);
  }
  return liveThrough(life.seed, without, true);
}
