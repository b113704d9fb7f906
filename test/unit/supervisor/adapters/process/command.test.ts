import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { bootTimeMs } from '#contracts/boot-time.ts';
import { buildDeadlineExec } from '../../../../../scripts/build.ts';
import { mustRun, runCommand, StartedCommand } from '../../../../../supervisor/adapters/process/command.ts';
import { waitFor } from '../../../../lab/wait.ts';

/** setpriv runs any program. */
const run = (
  args: readonly string[],
  options: { timeoutMs?: number; input?: string; deadlineMs?: number; isInterrupted?: boolean } = {},
) => runCommand('setpriv', args, { timeoutMs: 10_000, ...options });

/** The one part of a build that commands take, in a checkout that was not built yet. */
before(async () => {
  if (!existsSync(join(import.meta.dirname, '../../../../../dist/deadline-exec'))) await buildDeadlineExec();
});

describe('running a command', () => {
  it('gives what it said, and its exit code', async () => {
    assert.deepEqual(await run(['sh', '-c', 'cat; echo oops >&2; exit 3'], { input: 'hello' }), {
      exitCode: 3,
      timedOut: false,
      stdout: 'hello',
      stderr: 'oops\n',
    });
    assert.equal((await run(['true'])).exitCode, 0);
  });

  it('passes nothing of our environment on', async () => {
    process.env.HOLDFAST_SECRET = 'x';
    const { stdout } = await run(['env']);
    delete process.env.HOLDFAST_SECRET;
    assert.equal(stdout.trim(), 'LC_ALL=C');
  });

  it('kills one that takes too long', async () => {
    const result = await run(['sleep', '60'], { timeoutMs: 50 });
    assert.deepEqual([result.exitCode, result.timedOut], [undefined, true]);
    await assert.rejects(mustRun('setpriv', ['sleep', '60'], { timeoutMs: 50 }), { code: 'COMMAND_TIMEOUT' });
  });

  it('does not wait for one that does not end though it was killed', async () => {
    // What it started holds its output, which looks the same from here.
    const result = await run(['sh', '-c', 'setsid sleep 5 & echo $!; wait'], { timeoutMs: 50 });
    assert.deepEqual([result.exitCode, result.timedOut], [undefined, true]);
  });

  it('may say what it did when its time is up, and is killed when it does not end then', async () => {
    const options = { timeoutMs: 200, isInterrupted: true };
    const told = await run(
      ['sh', '-c', 'trap "echo sent 1; exit 0" INT; while :; do sleep 0.01; done'],
      options,
    );
    assert.deepEqual([told.stdout, told.timedOut], ['sent 1\n', true]);
    const deaf = await run(['sh', '-c', 'trap "" INT; while :; do sleep 0.01; done'], options);
    assert.deepEqual([deaf.exitCode, deaf.timedOut], [undefined, true]);
  });

  it('tells one that was killed by somebody else from one that was too slow', async () => {
    const result = await run(['sh', '-c', 'kill -9 $$']);
    assert.deepEqual([result.exitCode, result.timedOut], [undefined, false]);
    await assert.rejects(mustRun('setpriv', ['sh', '-c', 'echo no >&2; exit 1'], { timeoutMs: 10_000 }), {
      code: 'COMMAND_FAILED',
      message: /\(1\): no$/,
    });
  });

  it('does not mind one that reads none of its input', async () => {
    assert.equal((await run(['true'], { input: 'x'.repeat(1_000_000) })).exitCode, 0);
  });

  it('can be started ahead, waits for its input, and its time counts from there', async () => {
    const started = new StartedCommand('setpriv', ['cat']);
    await delay(150);
    assert.equal(started.isWaiting, true);
    const { exitCode, stdout, timedOut } = await started.run({ timeoutMs: 10_000, input: 'late' });
    assert.deepEqual([exitCode, stdout, timedOut], [0, 'late', false]);
    assert.equal(started.isWaiting, false);
  });

  it('is ended by the kernel at its deadline, and not begun after it', async () => {
    const inTime = await run(['echo', 'done'], { deadlineMs: bootTimeMs() + 60_000 });
    assert.deepEqual([inTime.exitCode, inTime.stdout, inTime.timedOut], [0, 'done\n', false]);
    const endless = await run(['sleep', '60'], { deadlineMs: bootTimeMs() + 300 });
    assert.deepEqual([endless.exitCode, endless.timedOut], [undefined, true]);
    const late = await run(['echo', 'done'], { deadlineMs: bootTimeMs() - 1 });
    assert.deepEqual([late.stdout, late.timedOut], ['', true]);
  });

  it('is known when one that was started ahead has ended', async () => {
    const started = new StartedCommand('setpriv', ['false']);
    await waitFor('its end', async () => !started.isWaiting);
    assert.equal((await started.run({ timeoutMs: 1000 })).exitCode, 1);
  });

  it('leaves none behind at our end', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
    try {
      const pidFile = join(folder, 'pid');
      const program = `
        import { existsSync } from 'node:fs';
        import { runCommand } from '${new URL('../../../../../supervisor/adapters/process/command.ts', import.meta.url)}';
        void runCommand('setpriv', ['sh', '-c', 'echo $$ >${pidFile}; exec sleep 60'], { timeoutMs: 60_000 });
        setInterval(() => { if (existsSync('${pidFile}')) process.exit(0); }, 10);
      `;
      const { status } = spawnSync(process.execPath, ['--input-type=module', '-e', program]);
      assert.equal(status, 0);
      const pid = readFileSync(pidFile, 'utf8').trim();
      // A zombie has ended, and waits for its parent.
      const hasEnded = () =>
        !existsSync(`/proc/${pid}/stat`) || / [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
      await waitFor('the command to end', hasEnded, { limitMs: 5000 });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
