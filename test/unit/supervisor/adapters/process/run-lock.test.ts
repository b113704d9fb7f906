import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { identityOf } from '../../../../../supervisor/adapters/process/identity.ts';
import {
  holderOf,
  lockFile,
  refuseWhileSupervisorLives,
} from '../../../../../supervisor/adapters/process/run-holder.ts';

const source = new URL('../../../../../supervisor/adapters/process/run-lock.ts', import.meta.url);
const program = `
  import { spawn } from 'node:child_process';
  import { takeRunFolder } from '${source}';
  takeRunFolder(process.argv[1]).then(
    () => {
      spawn('sleep', ['5'], { stdio: 'ignore' });
      console.log('taken');
      setInterval(() => {}, 1000);
    },
    (error) => { console.log(error.code + ' ' + error.message); },
  );
`;

describe('the lock on the run folder', () => {
  let folder: string;
  const started: ChildProcess[] = [];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
  });
  afterEach(() => {
    for (const child of started.splice(0)) child.kill('SIGKILL');
    rmSync(folder, { recursive: true });
  });

  async function start(): Promise<{ child: ChildProcess; says: string }> {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program, folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    started.push(child);
    const [said] = await once(child.stdout, 'data');
    return { child, says: String(said).trim() };
  }

  it('is had by one process, which the others name', async () => {
    const first = await start();
    assert.equal(first.says, 'taken');
    const second = await start();
    assert.match(second.says, new RegExp(`^SUPERVISOR_RUNNING process ${first.child.pid} has `));
  });

  it('is had by one of many that start at once', async () => {
    const all = await Promise.all([start(), start(), start(), start()]);
    assert.equal(all.filter(({ says }) => says === 'taken').length, 1);
  });

  it('is free at once after a kill -9, whatever its children do', async () => {
    const { child } = await start();
    child.kill('SIGKILL');
    await once(child, 'exit');
    assert.equal((await start()).says, 'taken');
  });

  it('keeps a release off while the supervisor lives, also one that is stopped, and not when it is dead', async () => {
    const { child } = await start();
    assert.equal(holderOf(folder)?.pid, child.pid);
    assert.throws(() => refuseWhileSupervisorLives(folder), { code: 'SUPERVISOR_RUNNING' });
    child.kill('SIGSTOP');
    assert.throws(() => refuseWhileSupervisorLives(folder), { code: 'SUPERVISOR_RUNNING' });
    child.kill('SIGKILL');
    await once(child, 'exit');
    refuseWhileSupervisorLives(folder);
  });

  it('does not keep a release off when the supervisor is dead and nobody waited for it', async () => {
    // A parent that does not wait: the process stays a zombie.
    const script = 'sleep 60 & pid=$!; kill -9 $pid; echo $pid; exec sleep 60';
    const parent = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    started.push(parent);
    const pid = Number(String((await once(parent.stdout, 'data'))[0]));
    writeFileSync(lockFile(folder), JSON.stringify({ pid, startTicks: '1' }));
    refuseWhileSupervisorLives(folder);
  });

  it('does not keep a release off for a process that got the number later, or for garbage', () => {
    const self = identityOf(process.ppid) ?? assert.fail();
    writeFileSync(lockFile(folder), JSON.stringify(self));
    assert.throws(() => refuseWhileSupervisorLives(folder), { code: 'SUPERVISOR_RUNNING' });
    for (const text of [JSON.stringify({ ...self, startTicks: '1' }), '{', '', '[]', '{"pid":"x"}']) {
      writeFileSync(lockFile(folder), text);
      refuseWhileSupervisorLives(folder);
    }
  });
});
