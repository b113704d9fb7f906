import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import { LoopWatch } from '#contracts/lateness.ts';
import { Heartbeat } from '../../../../replicator/peers/heartbeat.ts';

describe('the heartbeat of a channel', () => {
  let nowMs = 0;
  let beats = 0;
  const silences: number[] = [];
  let heartbeat: Heartbeat;

  beforeEach(() => {
    mock.timers.enable({ apis: ['setInterval', 'setImmediate'] });
    nowMs = 0;
    beats = 0;
    silences.length = 0;
    heartbeat = new Heartbeat({
      now: () => nowMs,
      beat: () => {
        beats += 1;
      },
      onSilent: (forMs) => silences.push(forMs),
    });
  });
  afterEach(() => {
    heartbeat.stop();
    mock.timers.reset();
  });

  function pass(ms: number): void {
    for (let passed = 0; passed < ms; passed += 250) {
      nowMs += 250;
      mock.timers.tick(250);
    }
  }

  it('says every second that this side lives, asked or not', () => {
    pass(5000);
    assert.equal(beats, 5);
    heartbeat.deaf();
    pass(5000);
    assert.equal(beats, 10);
  });

  it('tells of a silence within four seconds, and of none while something comes', () => {
    heartbeat.listening();
    for (let second = 0; second < 10; second++) {
      pass(3000);
      heartbeat.listening();
    }
    assert.deepEqual(silences, []);
    pass(3250);
    assert.deepEqual(silences, []);
    pass(750);
    assert.ok(Number(silences[0]) >= 3500);
  });

  it('judges nobody while nothing is read, and counts anew when it is', () => {
    pass(60_000);
    heartbeat.listening();
    heartbeat.deaf();
    pass(60_000);
    heartbeat.listening();
    pass(3000);
    assert.deepEqual(silences, []);
  });

  it('reads what lies there before it judges', () => {
    mock.timers.reset();
    mock.timers.enable({ apis: ['setInterval'] });
    const immediates: (() => void)[] = [];
    const queued = mock.method(globalThis, 'setImmediate', (run: () => void) => immediates.push(run));
    heartbeat = new Heartbeat({ now: () => nowMs, beat: () => {}, onSilent: (ms) => silences.push(ms) });
    heartbeat.listening();
    nowMs = 10_000;
    mock.timers.tick(250);
    assert.deepEqual(silences, []);
    heartbeat.listening();
    for (let run = immediates.shift(); run !== undefined; run = immediates.shift()) run();
    assert.deepEqual(silences, []);
    queued.mock.restore();
  });

  it('does not take a standstill of this process for one of the other', () => {
    let bootMs = 0;
    const loop = new LoopWatch({ now: () => bootMs });
    const told: number[] = [];
    const own = new Heartbeat({
      now: () => loop.attendedMs(),
      beat: () => {},
      onSilent: (ms) => told.push(ms),
    });
    own.listening();
    bootMs = 60_000;
    mock.timers.tick(250);
    loop.beat();
    mock.timers.tick(250);
    assert.deepEqual(told, []);
    own.stop();
  });

  it('is over when it is stopped, also in the middle of a judgement', () => {
    heartbeat.listening();
    heartbeat.stop();
    pass(60_000);
    assert.equal(beats, 0);
    assert.deepEqual(silences, []);
  });
});
