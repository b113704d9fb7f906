/**
 * Where modes matter, a test must not be root, which modes do not bind. A test file that is run as root runs itself
 * again as nobody; one that is run as somebody else just runs.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { describe, it } from 'node:test';
import { execa } from 'execa';

const nobody = 65_534;
const checkout = join(import.meta.dirname, '../../../..');

/** @param url of the test file: its import.meta.url */
export function describeAsNobody(name: string, url: string, suite: () => void): void {
  if (process.getuid?.() !== 0) {
    describe(name, suite);
    return;
  }
  it(`${name}, as nobody`, async () => {
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    await withReadableCheckout(async (place) => {
      const inPlace = (path: string) =>
        path.startsWith(`${checkout}/`) ? join(place, relative(checkout, path)) : path;
      const result = await execa(
        inPlace(process.execPath),
        ['--test-reporter=spec', inPlace(new URL(url).pathname)],
        { uid: nobody, gid: nobody, cwd: '/', env, extendEnv: false, all: true, reject: false },
      );
      assert.equal(result.exitCode, 0, result.all);
      assert.match(result.all, /^ℹ pass [1-9]/m);
    });
  });
}

/** A checkout in a folder that only root may enter is mounted where others may. */
async function withReadableCheckout(use: (place: string) => Promise<void>): Promise<void> {
  if (mayBeEntered(checkout)) {
    await use(checkout);
    return;
  }
  const place = mkdtempSync(join(tmpdir(), 'holdfast-checkout-'));
  await execa('mount', ['--bind', checkout, place]);
  try {
    await use(place);
  } finally {
    await execa('umount', ['--lazy', place]);
    rmdirSync(place);
  }
}

function mayBeEntered(folder: string): boolean {
  if ((statSync(folder).mode & 0o5) !== 0o5) return false;
  return folder === dirname(folder) || mayBeEntered(dirname(folder));
}
