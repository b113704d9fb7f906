import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ConnectionPlaces, type Place, plainAddress, sourceOf } from '#contracts/connection-places.ts';

const rules = { begin: 4, ratePercent: 30, full: 8, perSource: 2, kept: 4 };

function setUp() {
  const dice = { next: 0.999 };
  const places = new ConnectionPlaces(rules, () => dice.next);
  let strangers = 0;
  /** So many places, each of a source of its own. */
  const crowd = (count: number) => {
    for (; count > 0; count--) assert.equal(typeof places.take(`stranger ${strangers++}`, null), 'object');
  };
  return { dice, places, crowd };
}

function held(place: Place | string): Place {
  assert.ok(typeof place === 'object', String(place));
  return place;
}

describe('places before login', () => {
  it('are shared out by source', () => {
    const { places } = setUp();
    const first = held(places.take('a', null));
    held(places.take('a', null));
    assert.equal(places.take('a', null), 'source-full');
    held(places.take('b', null));
    first.release();
    first.release();
    held(places.take('a', null));
    assert.equal(places.take('a', null), 'source-full', 'a place is given back once');
  });

  it('are given to all up to where the dropping begins', () => {
    const { dice, crowd } = setUp();
    dice.next = 0;
    crowd(rules.begin);
  });

  it('are refused at random from there on, more often the more are taken', () => {
    const { dice, places, crowd } = setUp();
    crowd(4);
    dice.next = 0.299;
    assert.equal(places.take('x', null), 'dropped-early');
    dice.next = 0.301;
    const [a] = [held(places.take('x', null))];
    // 30 % + 70 % * 1/4
    dice.next = 0.474;
    assert.equal(places.take('y', null), 'dropped-early');
    dice.next = 0.476;
    held(places.take('y', null));
    a.release();
    dice.next = 0.474;
    assert.equal(places.take('z', null), 'dropped-early');
  });

  it('are refused to all strangers when they are full', () => {
    const { places, crowd } = setUp();
    crowd(8);
    assert.equal(places.take('x', null), 'full');
    assert.equal(places.taken, 8);
  });

  it('are kept for known sources, whatever strangers hold', () => {
    const { dice, places, crowd } = setUp();
    crowd(4);
    dice.next = 0;
    held(places.take('partner', 'partner'));
    dice.next = 0.999;
    crowd(4);
    const second = held(places.take('partner', 'partner'));
    assert.equal(places.take('partner', 'partner'), 'full', 'one of them may not take all');
    held(places.take('another', 'another'));
    held(places.take('another', 'another'));
    assert.equal(places.take('third', 'third'), 'full');
    second.release();
    held(places.take('third', 'third'));
  });

  it('come back when the connections end', () => {
    const { places } = setUp();
    const taken = ['a', 'b', 'c'].map((source) => held(places.take(source, null)));
    for (const place of taken) place.release();
    assert.equal(places.taken, 0);
  });
});

describe('the source of an address', () => {
  const cases = [
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::6', '2001:db8:1:2::/64'],
    ['2001:db8::6', '2001:db8:0:0::/64'],
    ['2001:db8::3:4:5:6', '2001:db8:0:0::/64'],
    ['2001:db8::2:3:4:5:6', '2001:db8:0:2::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['', ''],
  ] as const;
  for (const [address, source] of cases) {
    it(`${address || 'of a socket that is gone'} is ${source || 'nobody'}`, () =>
      assert.equal(sourceOf(address), source));
  }

  it('is compared without its zone, and IPv4 as such', () => {
    assert.equal(plainAddress('::ffff:127.0.0.1'), '127.0.0.1');
    assert.equal(plainAddress('fe80::1%eth0'), 'fe80::1');
  });
});
