import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { followOperation } from '../../../../supervisor/cli/follow.ts';
import { controlSocket } from '../../../../supervisor/control/server.ts';

/** A control socket that gives these operations, one after the other, the last one for ever. */
async function follow(
  operations: readonly (object | null)[],
  cluster: object = { leader: { node: 'a' }, paused: null },
): Promise<[state: string | null, text: string]> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-follow-'));
  let asked = 0;
  const server = createServer((_, response) => {
    const operation = operations[Math.min(asked, operations.length - 1)];
    asked += 1;
    const activity = { sessions: 0, transfers: 0 };
    response.end(JSON.stringify({ operation, phase: 'standby', activity, ...cluster }));
  });
  server.listen(controlSocket(folder));
  await once(server, 'listening');
  const lines: string[] = [];
  try {
    const ended = await followOperation(folder, 'new', (line) => lines.push(line));
    return [ended?.state ?? null, lines.join('\n')];
  } finally {
    server.close();
    server.closeAllConnections();
    rmSync(folder, { recursive: true, force: true });
  }
}

const earlier = { id: 'old', state: 'done', step: null, at: null, outcome: null };
const running = {
  id: 'new',
  kind: 'switchover',
  state: 'running',
  step: 'preparing',
  at: null,
  outcome: null,
};
const done = { ...running, state: 'done', outcome: { code: 'HANDED_OVER', sentence: 'to b' } };

describe('following an operation', () => {
  it('waits until this host hears of it', async () => {
    for (const before of [null, earlier]) {
      const [state, text] = await follow([before, before, running, done]);
      assert.equal(state, 'done');
      assert.match(text, /^preparing: .*\ndone: HANDED_OVER: to b$/);
    }
  });

  it('ends when another takes its place', async () => {
    const [state, text] = await follow([running, { ...running, id: 'later' }]);
    assert.equal(state, null);
    assert.match(text, /holdfast history/);
  });

  it('does not wait for a leader that a pause keeps away', async () => {
    const [state, text] = await follow([running], { leader: null, paused: { by: 'root' } });
    assert.equal(state, null);
    assert.match(text, /^nobody leads, and the cluster is paused: `holdfast resume`\nnew goes on, or ends/);
  });

  it('waits while nobody leads for a moment', async () => {
    const [state] = await follow([running, running, done], { leader: null, paused: null });
    assert.equal(state, 'done');
  });
});
