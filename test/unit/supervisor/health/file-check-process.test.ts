import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { FileCheckProcess, factsIn } from '../../../../supervisor/health/file-check-process.ts';
import { waitFor } from '../../../lab/wait.ts';

describe('the process that looks at disks', () => {
  let folder: string;
  let over: AbortController;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
    over = new AbortController();
  });
  afterEach(() => {
    over.abort();
    rmSync(folder, { recursive: true });
  });

  const path = (name: string) => join(folder, name);
  /** To open one for reading takes until somebody opens it for writing: as a file on a disk that stands still. */
  const hangingFile = (name: string) => execFileSync('mkfifo', ['-m', '600', path(name)]);

  function begin(): FileCheckProcess {
    const plan = {
      roots: { config: path('config'), data: path('data'), state: path('state') },
      minFreeMiB: 0,
      tls: { ca: path('ca.crt'), cert: path('etcd.crt') },
      vipCommands: [],
      commands: [],
    };
    const files = new FileCheckProcess(plan, () => {});
    void files.run(over.signal);
    return files;
  }
  const codeOf = (files: FileCheckProcess, name: string) =>
    files.facts.find((fact) => fact.name === name)?.code ?? 'none';

  it('goes on looking at the others when some files hang, and says which do', {
    timeout: 30_000,
  }, async () => {
    mkdirSync(path('config/host_keys'), { recursive: true });
    mkdirSync(path('data'));
    hangingFile('ca.crt');
    hangingFile('etcd.crt');
    hangingFile('config/host_keys/ssh_host_ed25519_key');
    const files = begin();
    assert.equal(codeOf(files, 'data root'), 'CHECK_PENDING');
    await waitFor('the first look', () => codeOf(files, 'data root') === '');
    assert.equal(codeOf(files, 'host keys'), 'CHECK_PENDING');
    await waitFor('the files that hang to be overdue', () => codeOf(files, 'host keys') === 'CHECK_OVERDUE');
    await waitFor('the certificates too', () => codeOf(files, 'certificates') === 'CHECK_OVERDUE');
    assert.equal(codeOf(files, 'state root'), 'ROOT_UNUSABLE');
    mkdirSync(path('state'));
    await waitFor('the next look', () => codeOf(files, 'state root') === '');
    rmSync(path('data'), { recursive: true });
    await waitFor('another look', () => codeOf(files, 'data root') === 'ROOT_UNUSABLE');
  });

  it('is overdue as a whole when it says nothing, and is started again when it ends', {
    timeout: 30_000,
  }, async () => {
    for (const name of ['config', 'data', 'state']) mkdirSync(path(name));
    const files = begin();
    await waitFor('the first look', () => codeOf(files, 'data root') === '');
    const pid = childOf(process.pid);
    process.kill(pid, 'SIGSTOP');
    await waitFor('it to be overdue', () => codeOf(files, 'file systems') === 'CHECK_OVERDUE');
    process.kill(pid, 'SIGKILL');
    await waitFor('another to be started', () => codeOf(files, 'data root') === '');
  });

  it('is no reason to end for who reads it when it was killed within a line', () => {
    const line = JSON.stringify([{ name: 'data root', level: 'ok', code: '', detail: '9 MiB free' }]);
    assert.equal(factsIn(line)?.length, 1);
    assert.equal(factsIn(line.slice(0, 30)), null);
    assert.equal(factsIn('null'), null);
  });
});

function childOf(parent: number): number {
  const children = readFileSync(`/proc/${parent}/task/${parent}/children`, 'latin1')
    .trim()
    .split(' ')
    .map(Number);
  const found = children.find((pid) =>
    readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('file-checks'),
  );
  return found ?? assert.fail('there is no such child');
}
