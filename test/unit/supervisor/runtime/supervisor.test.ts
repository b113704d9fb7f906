import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { World } from '../../../sim/world.ts';

/** The real supervisor in the simulator's world, for what no role machine alone can show. */
describe('a supervisor', () => {
  it('lets nobody accept a removal while no comparison waits', async () => {
    const world = new World(1, new Set(), false, { withMisfortunes: false });
    world.timeline.after(2000, () => world.hosts[0]?.run?.supervisor.acceptRemoval('root', 500));
    await assert.rejects(world.run(), /no comparison of this host waits/);
  });

  it('ends its process at an impossible decision, whoever caught what was thrown', async () => {
    const world = new World(1, new Set(), false, { withMisfortunes: false });
    world.timeline.after(2000, () => {
      const standby = world.hosts.find(({ phase }) => phase === 'standby');
      // Looked at when a renewal is taken in, which the lease loop does where it catches what etcd throws.
      const lease = {
        endsAtMs: Number.MAX_SAFE_INTEGER,
        get id(): string {
          throw new Error('impossible');
        },
      };
      Object.assign(standby?.run?.supervisor.state ?? {}, { lease });
    });
    await assert.rejects(world.run(), /a defect: .*impossible/s);
  });
});
