import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { execa } from 'execa';

/**
 * In processes of their own, on every core: under the test runner's hooks on promises the simulator takes ten times as
 * long.
 */
async function live(...args: string[]): Promise<void> {
  const { stdout, exitCode } = await execa(
    process.execPath,
    [join(import.meta.dirname, 'main.ts'), ...args],
    {
      reject: false,
    },
  );
  assert.equal(exitCode, 0, stdout);
  assert.match(stdout, /^0 of \d+ stories broke a guarantee/m);
  const acknowledged = Number(/writes acknowledged: (\d+)/.exec(stdout)?.[1]);
  const stories = Number(/^0 of (\d+) stories/m.exec(stdout)?.[1]);
  assert.ok(acknowledged > stories * 100, `clients got hardly anything done: ${stdout}`);
}

describe('the simulator', () => {
  it('lives through the fixed stories without a broken guarantee', () => live('--corpus'));

  it('lives through fresh stories without a broken guarantee', () => live('--seeds', '60'));
});
