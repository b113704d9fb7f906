import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it } from 'node:test';
import { Lab } from '../lab/lab.ts';

const bundle = join(import.meta.dirname, '../../dist/holdfast.js');

it('logs for people on a terminal, and ends at SIGTERM without etcd', { timeout: 60_000 }, async () => {
  await using lab = await Lab.create({ hosts: ['a'] });
  const [host] = lab.hosts;
  const { configFile } = host ?? assert.fail();
  // script(1) gives the command a terminal.
  const command = `timeout --signal=TERM 4 ${process.execPath} ${bundle} supervisor --config ${configFile}`;
  const { stdout } = await (host ?? assert.fail())
    .exec('script', ['-qec', command, '/dev/null'])
    .catch((error) => error);
  assert.match(stdout, /INFO.*started as standby/);
  assert.match(stdout, /ERROR.*no etcd member answered: tried http:\/\/10\.77\.0\.11:2379/);
  assert.match(stdout, /INFO.*stopped/);
  assert.ok(!stdout.includes('{"level"'), 'no JSON on a terminal');
});
