import { Broken } from './checker.ts';
import type { Rules } from './rules.ts';
import { EngineWorld } from './world.ts';

export interface EngineStory {
  readonly seed: number;
  readonly broken: string | null;
  readonly story: string[];
  readonly counts: Record<string, number>;
}

const steps = 400;
const stepsToQuiet = 20_000;

/** Lives through one story of the engine, and then lets everybody get to the same tree. */
export function tellEngineStory(seed: number, without: Rules = new Set()): EngineStory {
  const world = new EngineWorld(seed, without);
  try {
    for (let step = 0; step < steps; step++) world.step();
    world.heal();
    for (let step = 0; !world.isQuiet; step++) {
      if (step > stepsToQuiet) throw new Broken('the hosts do not come to rest');
      world.step();
    }
    world.checkEqual();
    return { seed, broken: null, story: world.story, counts: world.counts };
  } catch (error) {
    const broken = error instanceof Broken ? error.message : `defect: ${(error as Error).stack}`;
    return { seed, broken, story: world.story, counts: world.counts };
  }
}
