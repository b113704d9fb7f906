import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  calledOff,
  changed,
  mayBeReplaced,
  type OperationState,
  operationTransitions,
} from '../../../../../supervisor/core/operation/machine.ts';
import { isOver, recordOf } from '../../../../../supervisor/core/records/operation.ts';
import { operationOf } from '../leadership/operations.ts';

const record = recordOf(operationOf());
const at = '2026-01-01T00:00:00.000Z';
const outcome = { code: 'X', sentence: 'x' };

describe('an operation', () => {
  it('has a way to each end from each state that is none, and none out of an end', () => {
    const ends = (from: OperationState) =>
      operationTransitions
        .filter((row) => row.from === from && isOver({ state: row.to }))
        .map((row) => row.to);
    assert.deepEqual(ends('pending').sort(), ['cancelled', 'failed']);
    assert.deepEqual(ends('running').sort(), ['cancelled', 'done', 'failed']);
    assert.ok(operationTransitions.every((row) => !isOver({ state: row.from })));
  });

  it('tells each step once, and keeps the last when it ends', () => {
    const change = { state: 'running', epoch: 7, step: 'preparing', outcome: null } as const;
    const begun = changed(record, change, at);
    const told = changed(begun, change, at);
    assert.deepEqual(told.steps, [{ step: 'preparing', at }]);
    const ended = changed(told, { state: 'failed', epoch: 7, step: null, outcome }, at);
    assert.deepEqual([ended.state, ended.step, ended.outcome], ['failed', 'preparing', outcome]);
  });

  it('keeps the latest of its steps when there are many', () => {
    let told = { ...record, state: 'running' as const };
    for (let step = 1; step <= 60; step++) {
      told = {
        ...changed(told, { state: 'running', epoch: 7, step: `${step}`, outcome: null }, at),
        state: 'running',
      };
    }
    assert.deepEqual([told.steps.length, told.steps.at(-1)?.step], [50, '60']);
  });

  it('is never done before it ran, nor changed when it is over', () => {
    const done = { state: 'done', epoch: 7, step: null, outcome } as const;
    assert.throws(() => changed(record, done, at), /pending -> done/);
    assert.throws(() => changed({ ...record, state: 'failed' }, done, at), /failed -> done/);
  });

  it('is over at once when it is called off before it began, and taken back by who runs it later', () => {
    const pending = calledOff(record, 'root', at, true);
    assert.deepEqual([pending.state, pending.cancelledBy], ['cancelled', 'root']);
    const running = calledOff({ ...record, state: 'running' }, 'root', at, true);
    assert.deepEqual([running.state, running.cancelledBy], ['running', 'root']);
  });

  it('is replaced by another when it is over, or nobody leads and works on it', () => {
    assert.equal(mayBeReplaced({ ...record, state: 'running' }, true), false);
    assert.equal(mayBeReplaced({ ...record, state: 'running' }, false), true);
    assert.equal(mayBeReplaced({ ...record, state: 'done' }, true), true);
    assert.equal(mayBeReplaced(null, true), true);
  });
});
