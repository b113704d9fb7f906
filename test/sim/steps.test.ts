import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { HostModel } from './host.ts';
import { World } from './world.ts';

const steps = ['preparing', 'draining', 'handing-off', 'leaving', 'transferring'] as const;

const faults: Record<string, (host: HostModel, world: World) => void> = {
  'its supervisor is killed': (host, world) => {
    host.crashSupervisor(false);
    world.timeline.after(4000, () => host.start());
  },
  'its supervisor is killed and cleaned up after': (host, world) => {
    host.crashSupervisor(true);
    world.timeline.after(4000, () => host.start());
  },
  'the host dies': (host, world) => {
    host.crashHost();
    world.timeline.after(6000, () => host.start());
  },
  'it stands still': (host, world) => {
    host.pausedUntil.supervisor = world.timeline.now + 5000;
    host.pausedUntil.node = world.timeline.now + 5000;
  },
  'it is cut off from etcd': (host, world) => {
    world.network.cut(host.id, 'etcd');
    world.network.cut('etcd', host.id);
    world.timeline.after(5000, () => {
      world.network.heal(host.id, 'etcd');
      world.network.heal('etcd', host.id);
    });
  },
};

function isAt(host: HostModel, step: (typeof steps)[number]): boolean {
  const phase = host.run?.supervisor.state.phase;
  return phase?.name === 'handing-over' && phase.step === step;
}

/** In virtual time each fault strikes in the very instant at which the step begins. */
describe('a switchover', () => {
  for (const step of steps) {
    for (const whose of ['leader', 'target'] as const) {
      for (const [what, strike] of Object.entries(faults)) {
        it(`at the step "${step}", when to its ${whose} this happens: ${what}; one host serves, nothing is lost, it ends`, async () => {
          const world = new World(7, new Set(), false, { withMisfortunes: false });
          let struck = false;
          world.timeline.after(4000, () => world.operator.switchover(null));
          world.afterEach = () => {
            const leader = world.hosts.find((host) => isAt(host, step));
            if (struck || leader === undefined) return;
            const phase = leader.run?.supervisor.state.phase;
            const to = phase?.name === 'handing-over' ? phase.to?.node : undefined;
            const target = world.hosts.find(({ id }) => id === to) ?? assert.fail();
            struck = true;
            strike(whose === 'leader' ? leader : target, world);
          };
          await world.run();
          assert.ok(struck, 'the step was hit');
          assert.match(String(world.operation?.state), /^(done|failed|cancelled)$/);
        });
      }
    }
  }
});
