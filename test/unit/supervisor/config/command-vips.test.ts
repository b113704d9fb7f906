import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { commandFileProblem } from '../../../../supervisor/config/command-file.ts';
import { checkConfigFile, formatProblem, parseConfig } from '../../../../supervisor/config/load.ts';
import { commandVipsOf, kernelVipsOf } from '../../../../supervisor/config/schema.ts';

const configWith = (vip: string, more = '') => `cluster: demo
node: { id: a }
etcd: { endpoints: [http://10.0.0.11:2379] }
vips:
  - { address: 10.0.0.100/24, interface: eth0 }
  - ${vip}
replication: { address: 10.0.0.11 }
${more}
`;

function problems(vip: string, more = ''): string {
  return parseConfig(configWith(vip, more))
    .problems.map((problem) => formatProblem('f', problem))
    .join('\n');
}

describe('a virtual IP with a command', () => {
  it('stands beside one of the kernel; its address is kept as written, and two seconds fit the default lease', () => {
    const { config } = parseConfig(configWith('{ address: 203.0.113.7, command: /etc/holdfast/move }'));
    assert.ok(config);
    assert.deepEqual(
      kernelVipsOf(config).map(({ interface: name }) => name),
      ['eth0'],
    );
    assert.deepEqual(
      commandVipsOf(config).map(({ address, command, timeoutMs }) => [address.written, command, timeoutMs]),
      [['203.0.113.7', '/etc/holdfast/move', 2000]],
    );
  });

  it('has an interface or a command, and a timeout only with a command', () => {
    assert.match(
      problems('{ address: 203.0.113.7 }'),
      /f:6:5 {2}vips\[1\]\.interface is missing, and so is command; give one/,
    );
    assert.match(
      problems('{ address: 203.0.113.7, interface: eth0, command: /c }'),
      /f:6:46 {2}vips\[1\]\.command stands beside interface; give one/,
    );
    assert.match(
      problems('{ address: 203.0.113.7, interface: eth0, timeout: 1s }'),
      /f:6:46 {2}vips\[1\]\.timeout is for an address with a command/,
    );
    assert.match(
      problems('{ address: 203.0.113.7, command: move }'),
      /command is not an absolute path; write for example: command: \/etc\/holdfast/,
    );
    assert.match(
      problems('{ address: 203.0.113.7, comand: /c }'),
      /comand is not a setting; did you mean "command"/,
    );
  });

  it('has a timeout that fits the lease, or is told which lease it would fit', () => {
    const withTimeout = (timeout: string) =>
      `{ address: 203.0.113.7, command: /c${timeout && `, timeout: ${timeout}`} }`;
    assert.equal(problems(withTimeout('2s')), '');
    assert.match(
      problems(withTimeout('5s')),
      /f:6:42 {2}vips\[1\]\.timeout of 5000ms must be at most 2000ms \(lease\.ttl - lease\.margin - lease\.renewEvery\).*lease\.ttl: 6s/,
    );
    assert.equal(problems(withTimeout('5s'), 'lease: { ttl: 6s }'), '');
    assert.match(problems(withTimeout('5001ms'), 'lease: { ttl: 6s }'), /at most 5000ms.*lease\.ttl: 7s/);
    assert.match(problems(withTimeout('9s'), 'lease: { ttl: 60s }'), /must be from 500ms to 8s/);
    assert.match(problems(withTimeout('100ms')), /must be from 500ms to 8s/);
    assert.match(
      problems(withTimeout(''), 'lease: { margin: 600ms }'),
      /f:6:5 {2}vips\[1\]\.timeout of 2000ms must be at most 1900ms/,
    );
  });

  it('is not the address of the replicator, and stands once', () => {
    assert.match(problems('{ address: 10.0.0.100, command: /c }'), /10\.0\.0\.100 stands twice/);
    assert.match(problems('{ address: 10.0.0.11, command: /c }'), /replication\.address is the virtual IP/);
  });
});

describe('the file of a command', () => {
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
    file = join(folder, 'move');
    writeFileSync(file, '#!/bin/sh\n', { mode: 0o755 });
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const problem = async (path = file) => (await commandFileProblem(path))?.what ?? 'none';

  it('is an executable file that only its owner can write to, in a folder likewise', async () => {
    assert.equal(await problem(), 'none');
    chmodSync(file, 0o644);
    assert.equal(await problem(), 'may not be executed');
    chmodSync(file, 0o775);
    assert.equal(await problem(), 'is writable by others than its owner');
    chmodSync(file, 0o757);
    assert.equal(await problem(), 'is writable by others than its owner');
    chmodSync(file, 0o755);
    chmodSync(folder, 0o1777);
    assert.match(await problem(), /is in .*, which is writable by others than its owner/);
    chmodSync(folder, 0o755);
    assert.equal(await problem(folder), 'is not a regular file');
    assert.equal(await problem(join(folder, 'gone')), 'does not exist');
  });

  it('is looked at through a link, with both folders', async () => {
    const open = join(folder, 'open');
    mkdirSync(open);
    chmodSync(open, 0o777);
    symlinkSync(file, join(open, 'link'));
    assert.match(await problem(join(open, 'link')), /is in .*open, which is writable/);
    writeFileSync(join(open, 'other'), '#!/bin/sh\n', { mode: 0o755 });
    symlinkSync(join(open, 'other'), join(folder, 'safe-link'));
    assert.match(await problem(join(folder, 'safe-link')), /is in .*open, which is writable/);
  });

  it('is part of a check of holdfast.yaml, by line, and does not keep the service from starting', async () => {
    const yaml = join(folder, 'holdfast.yaml');
    writeFileSync(yaml, configWith(`{ address: 203.0.113.7, command: ${file} }`));
    assert.deepEqual(await checkConfigFile(yaml), []);
    rmSync(file);
    assert.deepEqual(
      (await checkConfigFile(yaml)).map((found) => formatProblem('f', found)),
      ['f:6:29  vips[1].command does not exist; put an executable file there, on every host'],
    );
    assert.ok(parseConfig(configWith(`{ address: 203.0.113.7, command: ${file} }`)).config);
  });
});
