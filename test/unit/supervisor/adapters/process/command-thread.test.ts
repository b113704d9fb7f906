import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { runAside, startCommandThread } from '../../../../../supervisor/adapters/process/command-thread.ts';

describe('running a command aside', () => {
  before(startCommandThread);

  it('gives what it said, and its exit code', async () => {
    const options = { timeoutMs: 10_000, input: 'hello' };
    const { exitCode, stdout } = await runAside('setpriv', ['sh', '-c', 'cat; exit 3'], options);
    assert.deepEqual([exitCode, stdout], [3, 'hello']);
  });

  it('does not mix up several at once', async () => {
    const texts = ['one', 'two', 'three'];
    const results = await Promise.all(
      texts.map((input) => runAside('setpriv', ['cat'], { timeoutMs: 10_000, input })),
    );
    assert.deepEqual(
      results.map(({ stdout }) => stdout),
      texts,
    );
  });

  it('kills one that takes too long', async () => {
    const { timedOut } = await runAside('setpriv', ['sleep', '60'], { timeoutMs: 50 });
    assert.equal(timedOut, true);
  });

  it('names a command that is missing', async () => {
    const name = 'no-such-command' as 'ip';
    await assert.rejects(runAside(name, [], { timeoutMs: 1000 }), { code: 'COMMAND_MISSING' });
  });
});
