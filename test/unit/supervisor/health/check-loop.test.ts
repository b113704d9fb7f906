import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import { CheckLoop } from '../../../../supervisor/health/check-loop.ts';
import type { HealthFact } from '../../../../supervisor/runtime/ports.ts';

const settle = () => new Promise((resolve) => setImmediate(resolve));
const fine: HealthFact = { name: 'disk', level: 'ok', code: '', detail: '' };

describe('a loop that looks at one thing', () => {
  let over: AbortController;
  beforeEach(() => {
    over = new AbortController();
    mock.timers.enable({ apis: ['setInterval'] });
  });
  afterEach(() => {
    over.abort();
    mock.timers.reset();
  });

  function begin(look: () => Promise<HealthFact[]>, isAdvisory = false): CheckLoop {
    const loop = new CheckLoop({ name: 'disk', everyMs: 1, isAdvisory, look }, () => {});
    void loop.run(over.signal);
    return loop;
  }
  const codes = (loop: CheckLoop) => loop.facts.map(({ level, code }) => `${level} ${code}`.trim());
  const passSeconds = (count: number) => {
    for (let second = 0; second < count; second++) mock.timers.tick(1000);
  };

  it('has not shown anything before its first look has ended', async () => {
    const { promise, resolve } = Promise.withResolvers<HealthFact[]>();
    const loop = begin(() => promise);
    assert.deepEqual(codes(loop), ['bad CHECK_PENDING']);
    resolve([fine]);
    await settle();
    assert.deepEqual(codes(loop), ['ok']);
  });

  it('tells a look that hangs, begins no other on top of it, and goes on when it has ended', async () => {
    const { promise, resolve } = Promise.withResolvers<HealthFact[]>();
    let looks = 0;
    const loop = begin(() => {
      looks += 1;
      return promise;
    });
    passSeconds(5);
    assert.deepEqual(codes(loop), ['bad CHECK_OVERDUE']);
    passSeconds(60);
    await settle();
    assert.equal(looks, 1);
    resolve([fine]);
    await settle();
    assert.deepEqual(codes(loop), ['ok']);
  });

  it('judges nobody when this process stood still itself', () => {
    const loop = begin(() => new Promise(() => {}));
    // Time passes in one piece: the timer is noticed once.
    passSeconds(1);
    assert.deepEqual(codes(loop), ['bad CHECK_PENDING']);
    passSeconds(3);
    assert.deepEqual(codes(loop), ['bad CHECK_PENDING']);
    passSeconds(1);
    assert.deepEqual(codes(loop), ['bad CHECK_OVERDUE']);
  });

  it('forbids nothing by what is for people alone', () => {
    const loop = begin(() => new Promise(() => {}), true);
    assert.deepEqual(codes(loop), []);
    passSeconds(5);
    assert.deepEqual(codes(loop), ['warn CHECK_OVERDUE']);
  });

  it('forbids nothing either when what is for people alone cannot be looked at', async () => {
    const loop = begin(() => Promise.reject(new Error('no')), true);
    await settle();
    assert.deepEqual(codes(loop), ['warn CHECK_FAILED']);
  });

  it('takes no look that has ended for overdue', async () => {
    const loop = begin(() => Promise.resolve([fine]));
    await settle();
    over.abort();
    passSeconds(10);
    assert.deepEqual(codes(loop), ['ok']);
  });

  it('takes what cannot be looked at for a fact', async () => {
    const loop = begin(() => Promise.reject(new Error('no')));
    await settle();
    assert.deepEqual(codes(loop), ['bad CHECK_FAILED']);
  });
});
