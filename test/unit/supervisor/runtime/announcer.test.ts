import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import pino from 'pino';
import { Announcer } from '../../../../supervisor/runtime/announcer.ts';
import type { VirtualIps } from '../../../../supervisor/runtime/ports.ts';
import { noting } from './parts.ts';

describe('announcing the virtual IPs', () => {
  it('goes on by one schedule for as long as they are here', async () => {
    const asked: unknown[][] = [];
    const scheduled = new Set<string>();
    const add = (what: string) => {
      const entry = `${what} ${scheduled.size}`;
      scheduled.add(entry);
      return () => scheduled.delete(entry);
    };
    const timers = {
      after: (ms: number) => add(`after ${ms}`),
      every: (ms: number) => add(`every ${ms}`),
      afterFullPoll: () => {},
    };
    const announcer = new Announcer(
      noting<VirtualIps>(asked, { announce: async () => {} }),
      timers,
      pino({ level: 'silent' }),
    );
    await announcer.start(200);
    const once = ['after 1000 0', 'after 3000 1', 'every 30000 2'];
    assert.deepEqual([...scheduled], once);
    await announcer.start(210);
    assert.deepEqual([...scheduled], once, 'that of before is called off');
    assert.equal(asked.length, 2);
    announcer.stop();
    assert.equal(scheduled.size, 0);
  });
});
