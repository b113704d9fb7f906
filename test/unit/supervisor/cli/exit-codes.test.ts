import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type ErrorCode, HoldfastError } from '#contracts/errors.ts';
import {
  type ExitName,
  exitCodes,
  exitMeanings,
  exitOfCancel,
  exitOfError,
  exitOfOperation,
  exitOfRefusal,
  exitOfVerdict,
} from '../../../../supervisor/cli/exit-codes.ts';
import { RefusedError } from '../../../../supervisor/control/client.ts';

const root = join(import.meta.dirname, '../../../..');

describe('the exit codes', () => {
  it('are each one thing, with what it means', () => {
    const numbers = Object.values(exitCodes);
    assert.equal(new Set(numbers).size, numbers.length);
    assert.deepEqual(Object.keys(exitMeanings), Object.keys(exitCodes));
  });

  it('stand in docs/commands.md, row by row', () => {
    const page = readFileSync(join(root, 'docs/commands.md'), 'utf8');
    for (const [name, code] of Object.entries(exitCodes)) {
      assert.ok(page.includes(`| ${code} | ${exitMeanings[name as ExitName]} |`), name);
    }
  });

  it('come from the table alone: no command ends with a number of its own', () => {
    const wrong = globSync('supervisor/cli/*.ts', { cwd: root }).flatMap((path) =>
      [...readFileSync(join(root, path), 'utf8').matchAll(/(process\.exit\(|exitCode = ).*/g)]
        .map(([found]) => found)
        .filter((found) => !found.includes('exitCodes'))
        .map((found) => `${path}: ${found}`),
    );
    assert.deepEqual(wrong, []);
  });

  const errors: [ErrorCode, ExitName, refused: ExitName][] = [
    ['CONFIG_INVALID', 'configuration', 'configuration'],
    ['CONFIG_UNREADABLE', 'configuration', 'configuration'],
    ['CONTROL_UNREACHABLE', 'noSupervisor', 'noSupervisor'],
    ['REQUEST_INVALID', 'usage', 'usage'],
    ['TARGET_UNKNOWN', 'usage', 'usage'],
    ['ETCD_UNREACHABLE', 'unknown', 'unknown'],
    ['OPERATION_CANCELLED', 'operationCancelled', 'operationCancelled'],
    ['ALREADY_LEADING', 'failed', 'refused'],
    ['NOT_PAUSED', 'failed', 'refused'],
    ['INTERNAL', 'failed', 'refused'],
  ];
  for (const [code, thrown, refused] of errors) {
    it(`of ${code}: ${thrown}, and ${refused} when the supervisor said no`, () => {
      assert.equal(exitOfError(new HoldfastError(code, 'x')), thrown);
      assert.equal(exitOfError(new RefusedError(code, 'x')), refused);
    });
  }

  it('of an error that is not ours: failed', () => {
    assert.equal(exitOfError(new Error('x')), 'failed');
  });

  it('tell operations apart by how they ended', () => {
    const ends = ['done', 'failed', 'cancelled'] as const;
    assert.deepEqual(
      [...ends.map((state) => exitOfOperation({ state })), exitOfOperation(null)],
      ['done', 'operationFailed', 'operationCancelled', 'operationLost'],
    );
    assert.deepEqual(
      [...ends.map((state) => exitOfCancel({ state })), exitOfCancel(null)],
      ['operationDoneAllTheSame', 'operationFailed', 'done', 'operationLost'],
    );
  });

  it('tell a refused dry run from one that would go well', () => {
    const cause = (code: string) => ({ code, sentence: '' });
    assert.equal(exitOfRefusal(null), 'done');
    assert.equal(exitOfRefusal(cause('TARGET_INELIGIBLE')), 'refused');
    assert.equal(exitOfRefusal(cause('TARGET_UNKNOWN')), 'usage');
  });

  it('are not 0 without a leader, nor where that is not known', () => {
    assert.equal(exitOfVerdict('led'), 'done');
    assert.equal(exitOfVerdict('leaderless'), 'leaderless');
    assert.equal(exitOfVerdict('unknown'), 'unknown');
  });
});
