import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { LoopWatch } from '#contracts/lateness.ts';
import { EngineWatch } from '../../../../supervisor/health/engine-watch.ts';
import type { HealthReports } from '../../../../supervisor/runtime/ports.ts';

describe('whether the storage engine is well', () => {
  let told: boolean[];
  let asked: number[];
  let answer: { id: number; engineSilentMs: number } | null;
  let answers: boolean;
  let watch: EngineWatch;
  let pid: number | undefined;
  /** When the process was to be killed. */
  let stuck: number;
  beforeEach(() => {
    told = [];
    asked = [];
    answer = null;
    answers = true;
    const engine = {
      ask: (id: number) => {
        asked.push(id);
        if (answers) answer = { id, engineSilentMs: answer?.engineSilentMs ?? 0 };
      },
      answer: () => answer,
      pid: () => pid,
    };
    pid = 1;
    stuck = 0;
    const reports = {
      silentEngine: (isSilent: boolean) => told.push(isSilent),
      stuckEngine: () => {
        stuck += 1;
      },
    } as unknown as HealthReports;
    watch = new EngineWatch(engine, {} as LoopWatch, reports);
  });
  const pass = (fromMs: number, toMs: number) => {
    for (let atMs = fromMs; atMs <= toMs; atMs += 100) watch.look(atMs);
  };

  it('is asked several times a second, and nothing is said as long as it is', () => {
    pass(0, 3000);
    assert.ok(asked.length >= 9, `${asked.length} questions`);
    assert.deepEqual(told, []);
    assert.equal(watch.fact, null);
  });

  it('is said when the control lane says that the engine has been silent for a second, and when it is over', () => {
    pass(0, 500);
    answer = { id: 99, engineSilentMs: 900 };
    pass(600, 700);
    assert.deepEqual(told, []);
    answer = { id: 99, engineSilentMs: 1000 };
    pass(800, 900);
    assert.deepEqual(told, [true]);
    assert.equal(watch.fact?.code, 'ENGINE_SILENT');
    answer = { id: 99, engineSilentMs: 0 };
    pass(1000, 1100);
    assert.deepEqual(told, [true, false]);
  });

  it('is said when nobody answers for a second', () => {
    pass(0, 500);
    answers = false;
    pass(600, 1500);
    assert.deepEqual(told, []);
    pass(1600, 2000);
    assert.deepEqual(told, [true]);
    answers = true;
    pass(2100, 2500);
    assert.deepEqual(told, [true, false]);
  });

  it('has its process killed when that answers nothing for ten seconds, and each process has its own', () => {
    pass(0, 20_000);
    answers = false;
    pass(20_100, 29_500);
    assert.equal(stuck, 0);
    pass(29_600, 30_100);
    assert.equal(stuck, 1);
    pid = 2;
    pass(30_200, 40_100);
    assert.equal(stuck, 1, 'one that was just started');
    pass(40_200, 40_300);
    assert.equal(stuck, 2);
    pid = undefined;
    pass(40_400, 60_000);
    assert.equal(stuck, 2, 'there is none');
    pid = 3;
    answer = { id: 999, engineSilentMs: 60_000 };
    answers = true;
    pass(60_100, 80_000);
    assert.equal(stuck, 2, 'it answers, whatever its engine does');
  });
});
