import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { execa } from 'execa';

/**
 * In processes of their own, on every core: under the test runner's hooks on promises the simulator takes ten times as
 * long.
 */
async function live(...args: string[]): Promise<string> {
  const { stdout, exitCode } = await execa(
    process.execPath,
    [join(import.meta.dirname, 'main.ts'), ...args],
    {
      reject: false,
    },
  );
  assert.equal(exitCode, 0, stdout);
  assert.match(stdout, /^0 of \d+ stories broke a guarantee/m);
  return stdout;
}

function assertDone(stdout: string, what: string, inEach: number): void {
  const done = Number(new RegExp(`${what}: (\\d+)`).exec(stdout)?.[1]);
  const stories = Number(/^0 of (\d+) stories/m.exec(stdout)?.[1]);
  assert.ok(done > stories * inEach, `hardly anything was done: ${stdout}`);
}

describe('the simulator', () => {
  it('lives through the fixed stories without a broken guarantee', async () => {
    assertDone(await live('--corpus'), 'writes acknowledged', 100);
  });

  it('lives through fresh stories without a broken guarantee', async () => {
    assertDone(await live('--seeds', '60'), 'writes acknowledged', 100);
  });

  it('lives through fresh stories of the storage engine without a broken guarantee', async () => {
    const stdout = await live('--engine', '--seeds', '500');
    assertDone(stdout, 'records acknowledged', 5);
    assertDone(stdout, 'promotions', 1);
  });
});
