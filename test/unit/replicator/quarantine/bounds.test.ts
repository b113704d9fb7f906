import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Held, type Space, whyDropOldest } from '../../../../replicator/quarantine/bounds.ts';
import { ClockWatch } from '../../../../replicator/quarantine/clock-watch.ts';

const hourMs = 3_600_000;
const now = Date.parse('2026-11-26T03:00:00Z');
/** A file system of 1 TB: 10 GB are its reserve. */
const space: Space = { totalBytes: 1e12, freeBytes: 5e11, totalNames: 1e6, freeNames: 5e5 };
const held: Held = { oldestAtMs: now - 48 * hourMs, bytes: 5e9, names: 100 };
const limits = { maxBytes: 1e11, maxAgeMs: 90 * 24 * hourMs, minFreeBytes: 64 * 2 ** 20 };

function why({
  held: of = {},
  space: on = {},
  limits: to = {},
  isSteady = true,
}: {
  held?: Partial<Held>;
  space?: Partial<Space>;
  limits?: Partial<typeof limits>;
  isSteady?: boolean;
}) {
  return whyDropOldest(
    { ...held, ...of },
    { ...space, ...on },
    { ...limits, ...to },
    { wallMs: now, isSteady },
  );
}

describe('the bounds of the quarantine', () => {
  it('leave what is within them', () => assert.equal(why({}), null));

  it('drop what is older than the age that is set, and not before', () => {
    assert.equal(why({ held: { oldestAtMs: now - limits.maxAgeMs } }), null);
    assert.equal(why({ held: { oldestAtMs: now - limits.maxAgeMs - 1 } }), 'too-old');
  });

  it('drop the oldest of too much, but nothing of the last 24 hours', () => {
    assert.equal(why({ held: { bytes: 1e11 } }), null);
    assert.equal(why({ held: { bytes: 1e11 + 1 } }), 'too-much');
    assert.equal(why({ held: { bytes: 1e11 + 1, oldestAtMs: now - 24 * hourMs } }), null);
    assert.equal(why({ held: { bytes: 1e11 + 1, oldestAtMs: now - 24 * hourMs - 1 } }), 'too-much');
  });

  it('drop for nothing but a full disk while the clock is not steady', () => {
    const isSteady = false;
    assert.equal(why({ held: { bytes: 1e12, oldestAtMs: 0 }, isSteady }), null);
    assert.equal(why({ space: { freeBytes: 0 }, isSteady }), 'disk-full');
  });

  it('drop of any age when the disk is about to be full, in bytes or in names', () => {
    const young = { oldestAtMs: now };
    assert.equal(why({ held: young, space: { freeBytes: 1e10 } }), null);
    assert.equal(why({ held: young, space: { freeBytes: 1e10 - 1 } }), 'disk-full');
    assert.equal(why({ held: young, space: { freeNames: 9_999 } }), 'disk-full');
    assert.equal(why({ held: young, space: { totalNames: 0, freeNames: 0 } }), null);
  });

  it('keep twice as much free as a host needs to lead', () => {
    const minFreeBytes = 2e10;
    assert.equal(why({ space: { freeBytes: 4e10 }, limits: { minFreeBytes } }), null);
    assert.equal(why({ space: { freeBytes: 4e10 - 1 }, limits: { minFreeBytes } }), 'disk-full');
  });

  it('leave what is too little to matter on a full disk', () => {
    assert.equal(why({ held: { bytes: 1e8 - 1, names: 99 }, space: { freeBytes: 0, freeNames: 0 } }), null);
    assert.equal(why({ held: { bytes: 1e8 }, space: { freeBytes: 0 } }), 'disk-full');
  });
});

describe('the watch on the wall clock', () => {
  it('believes it once it went on with elapsed time for an hour', () => {
    let [wall, elapsed] = [now, 1000];
    const watch = new ClockWatch(
      () => wall,
      () => elapsed,
    );
    const pass = (ms: number) => {
      wall += ms;
      elapsed += ms;
      return watch.look().isSteady;
    };
    assert.equal(pass(hourMs - 1), false);
    assert.equal(pass(1), true);
    wall += 30_000;
    assert.equal(pass(1), true, 'a small correction');
    wall += 365 * 24 * hourMs;
    assert.equal(pass(1), false, 'a step of a year');
    assert.equal(pass(hourMs - 2), false);
    assert.equal(pass(2), true);
  });
});
