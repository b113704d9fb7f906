import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DroppedConnections } from '#contracts/dropped-connections.ts';
import type { Logger } from '#contracts/log.ts';

describe('dropped connections', () => {
  it('are counted, and told at the first and then once a period with the busiest source', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const lines: Record<string, unknown>[] = [];
    const log = { warn: (fields: Record<string, unknown>) => lines.push(fields) } as unknown as Logger;
    const dropped = new DroppedConnections(log, 1000);
    dropped.add('a', 'full');
    for (let count = 0; count < 3; count++) dropped.add('b', 'source-full');
    dropped.add('a', 'dropped-early');
    assert.equal(dropped.total, 5);
    assert.equal(lines.length, 1);
    t.mock.timers.tick(1000);
    assert.deepEqual(lines[1], {
      code: 'CONNECTIONS_DROPPED',
      dropped: { 'source-full': 3, 'dropped-early': 1 },
      sources: 2,
      busiest: 'b',
    });
    t.mock.timers.tick(5000);
    assert.equal(lines.length, 2, 'nothing is said of nothing');
    dropped.add('c', 'full');
    assert.equal(lines.length, 3);
  });
});
