import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { execa } from 'execa';
import pino from 'pino';
import { CommandVip } from '../../../supervisor/adapters/kernel/network/command-vips.ts';
import { JoinedVips } from '../../../supervisor/adapters/kernel/network/virtual-ips.ts';
import { systemClock } from '../../../supervisor/adapters/kernel/system-clock.ts';
import type { VirtualIps } from '../../../supervisor/runtime/ports.ts';
import { waitFor } from '../../lab/wait.ts';

const executableModule = join(import.meta.dirname, '../../../supervisor/adapters/process/executable.ts');
const address = '203.0.113.7/32';

/** Real executables, written by the test as a sysadmin would. */
describe('a virtual IP that a command moves', { timeout: 120_000 }, () => {
  let folder: string;
  let command: string;
  let told: Record<string, unknown>[];
  const vips: CommandVip[] = [];
  const file = (name: string) => join(folder, name);

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
    command = file('move');
    told = [];
  });
  afterEach(async () => {
    // What is tried on in the background must not outlive its test.
    writeExecutable('/bin/sh', '');
    for (const vip of vips.splice(0)) await vip.absent();
    rmSync(folder, { recursive: true, force: true });
  });

  function writeExecutable(interpreter: string, text: string): void {
    writeFileSync(command, `#!${interpreter}\n${text}\n`);
    chmodSync(command, 0o755);
  }

  /** A shell script that keeps its state in the file `here`, and writes each call to `calls`. */
  function writeMover(extra = ''): void {
    writeExecutable(
      '/bin/sh',
      `cd ${folder}
echo "$*" >>calls
${extra}
case $1 in
  present) touch here ;;
  absent) rm -f here ;;
  check) test -e here ;;
esac`,
    );
  }

  function makeVip(timeoutMs = 5000, checkEveryMs = 50): CommandVip {
    const stream = { write: (line: string) => void told.push(JSON.parse(line)) };
    const vip = new CommandVip({
      vip: {
        address: { written: address, address: '203.0.113.7', prefixLength: 32, family: 4 },
        command,
        timeoutMs,
      },
      cluster: 'demo',
      node: 'a',
      clock: systemClock,
      log: pino({}, stream),
      checkEveryMs,
    });
    vips.push(vip);
    return vip;
  }

  const inAMinute = () => systemClock.bootTimeMs() + 60_000;
  const calls = () =>
    existsSync(file('calls')) ? readFileSync(file('calls'), 'utf8').trim().split('\n') : [];
  /** As the lane does: asks again until it is so. */
  const untilPresent = (vip: VirtualIps) =>
    waitFor('the address to be present', () => vip.present(inAMinute()));
  const failureOf = (vip: VirtualIps) =>
    waitFor('a failure', () =>
      vip.present(inAMinute()).then(
        () => null,
        (error) => error,
      ),
    );

  it('is told present once, then checked, and told absent', async () => {
    writeMover();
    const vip = makeVip();
    await untilPresent(vip);
    assert.deepEqual(calls(), [`present ${address}`]);
    await waitFor('two checks', () => vip.present(inAMinute()).then(() => calls().length >= 3));
    await vip.absent();
    assert.equal(existsSync(file('here')), false);
    assert.deepEqual(
      calls().filter((call) => !call.startsWith('check')),
      [`present ${address}`, `absent ${address}`],
    );
    await untilPresent(vip);
    assert.equal(calls().at(-1), `present ${address}`, 'the next leadership begins with present');
  });

  it('is told present again when a check says that it is not here', async () => {
    writeMover();
    const vip = makeVip();
    await untilPresent(vip);
    rmSync(file('here'));
    await waitFor('it to be taken over again', async () => {
      await vip.present(inAMinute());
      return existsSync(file('here'));
    });
    assert.equal(calls().filter((call) => call.startsWith('present')).length, 2);
  });

  it('gets arguments and four variables, nothing else', async () => {
    writeExecutable(
      process.execPath,
      `require('fs').writeFileSync('${file('seen')}', JSON.stringify({ argv: process.argv.slice(2), env: process.env, cwd: process.cwd() }));`,
    );
    await untilPresent(makeVip());
    const { argv, env, cwd } = JSON.parse(readFileSync(file('seen'), 'utf8'));
    assert.deepEqual(argv, ['present', address]);
    assert.equal(cwd, '/');
    assert.match(env.HOLDFAST_VALID_SECONDS, /^(59|60)$/);
    assert.match(env.PATH, /^\/usr\/local\/sbin:.*\/bin$/);
    assert.deepEqual(Object.keys(env).sort(), [
      'HOLDFAST_CLUSTER',
      'HOLDFAST_NODE',
      'HOLDFAST_VALID_SECONDS',
      'PATH',
    ]);
    assert.equal(`${env.HOLDFAST_CLUSTER} ${env.HOLDFAST_NODE}`, 'demo a');
  });

  it('fails with the exit code and the last line of what was written', async () => {
    writeExecutable(
      '/bin/sh',
      'echo out; echo first >&2; printf "quota\\033[31m exceeded\\n\\n" >&2; exit 3',
    );
    const failure = await failureOf(makeVip());
    assert.equal(failure.code, 'VIP_COMMAND_FAILED');
    assert.equal(
      failure.message,
      `"${command} present ${address}" failed (3); its last line: quota?[31m exceeded`,
    );
  });

  it('is not moved when the lease could end before the command: nothing is called', async () => {
    writeMover();
    const vip = makeVip(2000);
    assert.equal(await vip.present(systemClock.bootTimeMs() + 2100), false);
    assert.deepEqual(calls(), []);
  });

  it('does not keep the caller waiting for a slow command', async () => {
    writeMover('[ $1 != present ] || while ! [ -e go ]; do sleep 0.02; done');
    const vip = makeVip();
    assert.equal(await vip.present(inAMinute()), false, 'under way');
    assert.equal(await vip.present(inAMinute()), false, 'still under way');
    writeFileSync(file('go'), '');
    await untilPresent(vip);
    assert.equal(calls().length, 1);
  });

  it('is killed with its group at the timeout, also what ignores SIGTERM', async () => {
    writeExecutable(
      process.execPath,
      `process.on('SIGTERM', () => {});
const child = require('child_process').spawn('/bin/sh', ['-c', 'trap "" TERM HUP; while :; do sleep 1; done'], { stdio: 'inherit' });
require('fs').writeFileSync('${file('pids')}', process.pid + ' ' + child.pid);
console.log('waiting for the cloud');
setInterval(() => {}, 1000);`,
    );
    const failure = await failureOf(makeVip(1500));
    assert.equal(failure.code, 'VIP_COMMAND_TIMEOUT');
    assert.match(
      failure.message,
      /did not end within 1500 ms and was killed; its last line: waiting for the cloud/,
    );
    const pids = readFileSync(file('pids'), 'utf8').split(' ').map(Number);
    assert.equal(pids.length, 2);
    await waitFor('both processes to be gone', () => pids.every((pid) => !isRunning(pid)));
  });

  it('is killed at its timeout also when the supervisor is frozen by then', async () => {
    writeExecutable('/bin/sh', `echo $$ >${file('pid')}; sleep 60`);
    const program = `
      import { runExecutable } from ${JSON.stringify(executableModule)};
      const signal = new AbortController().signal;
      await runExecutable('${command}', ['present', 'x'], { timeoutMs: 1500, env: {}, signal });`;
    const supervisor = execa(process.execPath, ['--input-type=module', '-e', program], { reject: false });
    const pid = await waitFor(
      'its pid',
      () => existsSync(file('pid')) && Number(readFileSync(file('pid'), 'utf8')),
    );
    try {
      supervisor.kill('SIGSTOP');
      assert.equal(isRunning(pid), true);
      await waitFor('it to be gone', () => !isRunning(pid));
    } finally {
      supervisor.kill('SIGKILL');
      await supervisor;
    }
  });

  it('ends a present that is under way before it is told absent', async () => {
    writeMover('[ $1 != present ] || { echo $$ >pid; sleep 60; }');
    const vip = makeVip();
    assert.equal(await vip.present(inAMinute()), false);
    const pid = await waitFor(
      'its pid',
      () => existsSync(file('pid')) && Number(readFileSync(file('pid'), 'utf8')),
    );
    await vip.absent();
    assert.equal(isRunning(pid), false);
    assert.equal(calls().at(-1), `absent ${address}`);
    assert.equal(existsSync(file('here')), false);
  });

  it('leaves no process behind that the executable started, and does not wait for its output', async () => {
    writeMover('sleep 60 & echo $! >pid');
    await untilPresent(makeVip());
    const pid = Number(readFileSync(file('pid'), 'utf8'));
    await waitFor('it to be gone', () => !isRunning(pid));
  });

  it('is killed when it floods its output', async () => {
    writeExecutable('/bin/sh', 'yes "the cloud says no"');
    const failure = await failureOf(makeVip(5000));
    assert.equal(failure.code, 'VIP_COMMAND_FAILED');
    assert.match(failure.message, /wrote more than 1 MiB and was killed; its last line: the cloud says no$/);
  });

  it('is not run at all when others may write to it', async () => {
    writeMover();
    chmodSync(command, 0o757);
    const failure = await failureOf(makeVip());
    assert.equal(failure.code, 'VIP_COMMAND_UNUSABLE');
    assert.match(failure.message, /is writable by others than its owner: run chmod go-w/);
    assert.deepEqual(calls(), []);
  });

  it('stays where it is while it cannot be checked, and that is told once', async () => {
    writeMover('[ $1 != check ] || ! [ -e broken ] || exit 7');
    const vip = makeVip();
    await untilPresent(vip);
    writeFileSync(file('broken'), '');
    const before = calls().length;
    await waitFor('some checks', async () => {
      assert.equal(await vip.present(inAMinute()), true);
      return calls().length > before + 3;
    });
    const warnings = told.filter(({ code }) => code === 'VIP_COMMAND_FAILED');
    assert.equal(warnings.length, 1);
    assert.match(String(warnings[0]?.reason), /check 203\.0\.113\.7\/32" failed \(7\)/);
    assert.equal(calls().filter((call) => call.startsWith('present')).length, 1);
    rmSync(file('broken'));
    await waitFor('the all-clear', async () => {
      await vip.present(inAMinute());
      return told.some(({ msg }) => /can be checked again/.test(String(msg)));
    });
  });

  it('fails loudly when it cannot be taken off, lets leadership go after three tries, and tries on', async () => {
    writeMover('[ $1 != absent ] || ! [ -e broken ] || { echo "no way" >&2; exit 1; }');
    const vip = makeVip();
    await untilPresent(vip);
    writeFileSync(file('broken'), '');
    const failed = { code: 'VIP_COMMAND_FAILED', message: /absent.*failed \(1\); its last line: no way/ };
    await assert.rejects(vip.absent(), failed);
    await assert.rejects(vip.absent(), failed);
    await vip.absent();
    assert.ok(told.some(({ level, code }) => level === 50 && code === 'VIP_COMMAND_FAILED'));
    rmSync(file('broken'));
    await waitFor('it to be taken off', () => !existsSync(file('here')));
  });

  it('is joined with others: present when all are, and every one is taken off whatever fails', async () => {
    writeMover('[ $1 != absent ] || ! [ -e broken ] || exit 1');
    const done: string[] = [];
    const other = (isOn: boolean): VirtualIps => ({
      present: async () => isOn,
      absent: async () => void done.push('absent'),
      conflict: async () => ({ address: '10.0.0.9', macAddress: 'aa' }),
      announce: async () => void done.push('announced'),
    });
    const vip = makeVip();
    assert.equal(await new JoinedVips([vip, other(false)]).present(inAMinute()), false);
    const joined = new JoinedVips([vip, other(true)]);
    await untilPresent(joined);
    await joined.announce();
    assert.deepEqual(await joined.conflict(), { address: '10.0.0.9', macAddress: 'aa' });
    writeFileSync(file('broken'), '');
    await assert.rejects(joined.absent(), { code: 'VIP_COMMAND_FAILED' });
    assert.deepEqual(done, ['announced', 'absent']);
    const second = makeVip();
    await assert.rejects(new JoinedVips([second, vip]).absent(), /failed \(1\).*; .*failed \(1\)/);
  });
});

/** Whether it runs: one that was killed and waits for its parent does not. */
function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX] /s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
