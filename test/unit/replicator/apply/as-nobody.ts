/**
 * Where modes matter, a test must not be root, which modes do not bind. A test file that is run as root runs itself
 * again as nobody; one that is run as somebody else just runs.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { execa } from 'execa';

const nobody = 65_534;

/** @param url of the test file: its import.meta.url */
export function describeAsNobody(name: string, url: string, suite: () => void): void {
  if (process.getuid?.() !== 0) {
    describe(name, suite);
    return;
  }
  it(`${name}, as nobody`, async () => {
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const result = await execa(process.execPath, ['--test-reporter=spec', new URL(url).pathname], {
      uid: nobody,
      gid: nobody,
      cwd: '/',
      env,
      extendEnv: false,
      all: true,
      reject: false,
    });
    assert.equal(result.exitCode, 0, result.all);
    assert.match(result.all, /^ℹ pass [1-9]/m);
  });
}
