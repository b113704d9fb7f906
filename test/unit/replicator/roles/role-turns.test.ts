import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { RoleTurns } from '../../../../replicator/role-turns.ts';

describe('roles', () => {
  let roles: RoleTurns;
  let failures: unknown[];
  let told: string[];
  beforeEach(() => {
    failures = [];
    told = [];
    roles = new RoleTurns(
      (error) => failures.push(error),
      () => told.push('ended'),
    );
  });

  it('wait until the one before has let go of the engine', async () => {
    const first = Promise.withResolvers<void>();
    roles.begin(1, 'a', () => first.promise);
    await turn();
    roles.end();
    roles.begin(2, 'b', async () => {
      told.push('second');
    });
    await turn();
    assert.deepEqual(told, []);
    first.resolve();
    await turn();
    assert.deepEqual(told, ['ended', 'second', 'ended']);
    assert.ok(roles.is(2, 'b') && !roles.is(1, 'a') && !roles.is(2, 'a'));
  });

  it('that are over before their turn never begin, and those that run are told', async () => {
    const first = Promise.withResolvers<void>();
    let isOver = () => false;
    roles.begin(1, 'a', (over) => {
      isOver = over;
      return first.promise;
    });
    await turn();
    assert.equal(isOver(), false);
    roles.end();
    roles.begin(2, 'b', async () => {
      told.push('never');
    });
    roles.end();
    assert.equal(isOver(), true);
    first.resolve();
    await turn();
    assert.deepEqual(told, ['ended']);
  });

  it('that fail are told of, and hold up nobody', async () => {
    roles.begin(1, 'a', () => Promise.reject(new Error('no')));
    roles.begin(2, 'b', async () => {
      told.push('second');
    });
    roles.begin(3, 'c', () => Promise.reject(new Error('no')));
    await turn();
    assert.equal(failures.length, 1, 'of those that were over nobody cares');
    assert.deepEqual(told, ['ended']);
  });
});
