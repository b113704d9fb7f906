import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FailureCounter } from '../../../sftp-node/auth/failures.ts';

describe('failed logins of an address', () => {
  function counterAt(now: number) {
    const clock = { now };
    return { clock, counter: new FailureCounter(() => clock.now) };
  }
  const fail = (counter: FailureCounter, address: string, times: number) => {
    for (let turn = 0; turn < times; turn++) counter.failed(address);
  };

  it('are borne with until there are thirty in a minute', () => {
    const { counter } = counterAt(0);
    fail(counter, 'a', 29);
    assert.equal(counter.isRefused('a'), false);
    counter.failed('a');
    assert.equal(counter.isRefused('a'), true);
    assert.equal(counter.isRefused('b'), false, 'another address has nothing to do with it');
  });

  it('are forgotten a minute after the first', () => {
    const { clock, counter } = counterAt(0);
    fail(counter, 'a', 30);
    clock.now = 59_999;
    assert.equal(counter.isRefused('a'), true);
    clock.now = 60_000;
    assert.equal(counter.isRefused('a'), false);
    counter.failed('a');
    assert.equal(counter.isRefused('a'), false);
  });

  it('are remembered of ten thousand addresses, the latest ones', () => {
    const { counter } = counterAt(0);
    fail(counter, 'first', 30);
    fail(counter, 'second', 30);
    for (let index = 0; index < 9_999; index++) counter.failed(`address ${index}`);
    assert.equal(counter.isRefused('first'), false);
    assert.equal(counter.isRefused('second'), true);
  });
});
