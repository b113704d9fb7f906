import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { failedFilesFact } from '../../../../supervisor/health/checks/failed-files.ts';

describe('the look at files whose flush failed', () => {
  it('makes a leader unfit, so that it is relieved, and no standby', () => {
    const one = { files: 1, first: 'a' };
    assert.deepEqual(
      [null, one].flatMap((failed) => [true, false].map((serves) => failedFilesFact(failed, serves).level)),
      ['ok', 'ok', 'bad', 'warn'],
    );
    const { code, detail } = failedFilesFact({ files: 3, first: 'in/a' }, true);
    assert.equal(code, 'FLUSH_FAILED');
    assert.match(detail, /3 files, one of them in\/a/);
  });
});
