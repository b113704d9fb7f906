import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import pino from 'pino';
import { systemTimers } from '../../../../supervisor/adapters/kernel/system-timers.ts';
import { configSchema } from '../../../../supervisor/config/schema.ts';
import { epochOf } from '../../../../supervisor/core/leadership/state.ts';
import type {
  ClusterStore,
  Health,
  HealthReports,
  ReplicatorControl,
  RunState,
  SftpNodeControl,
  VirtualIps,
} from '../../../../supervisor/runtime/ports.ts';
import { Supervisor } from '../../../../supervisor/runtime/supervisor.ts';
import { World } from '../../../sim/world.ts';
import { leaderOf, liveNode, view } from '../core/leadership/host.ts';
import { noting, settle } from './parts.ts';

const config = configSchema.parse({
  cluster: 'lab',
  node: { id: 'a' },
  etcd: { endpoints: ['http://127.0.0.1:2379'] },
  vips: [{ address: '10.77.0.100/24', interface: 'eth0' }],
  replication: { address: '127.0.0.1' },
});

/** The supervisor of a on parts that note what is asked of them. */
function supervisorOf(answers: Partial<Record<keyof ClusterStore, unknown>> = {}) {
  const asked: unknown[][] = [];
  let reports: HealthReports | null = null;
  const supervisor = new Supervisor({
    config,
    store: noting<ClusterStore>(asked, {
      grantLease: async () => ({ leaseId: '77', sentAtMs: 0 }),
      read: async () => view({}),
      ...answers,
    }),
    clock: { bootTimeMs: () => performance.now(), wallTimeIso: () => new Date().toISOString() },
    timers: systemTimers,
    vips: noting<VirtualIps>(asked, { absent: async () => {} }),
    sftpNode: () => noting<SftpNodeControl>(asked),
    replicator: () =>
      Object.assign(Object.create(noting<ReplicatorControl>(asked)), { followers: [], configFacts: [] }),
    health: (given) => {
      reports = given;
      const run = (signal: AbortSignal) =>
        new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      return { facts: [], latenessMs: {}, run } satisfies Health;
    },
    placement: null,
    watchdog: null,
    runState: noting<RunState>(asked),
    notifier: { ready() {}, alive() {}, status() {}, stopping() {} },
    identityOf: () => null,
    cleanUpEarlierRun: async () => {},
    saveRecording: () => '',
    crash: (error) => assert.fail(String(error)),
    log: pino({ level: 'silent' }),
  });
  assert.ok(reports);
  return { supervisor, asked, reports: reports as HealthReports };
}

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

  it('kills an SFTP node that is silent, and takes it for stuck when it is so again', () => {
    for (const again of [false, true]) {
      const { supervisor, asked, reports } = supervisorOf();
      Object.assign(supervisor.state, { node: { is: 'listening', epoch: epochOf(supervisor.state.phase) } });
      reports.silentNode(again);
      assert.ok(asked.some(([method]) => method === 'kill'));
      assert.equal(supervisor.state.nodeIsStuck, again);
    }
  });

  it('knows the links of the leader, unless it leads itself', () => {
    const nodes = [liveNode('a', { linkAddresses: ['aa'] }), liveNode('b', { linkAddresses: ['bb'] })];
    for (const [leader, links] of [
      ['a', null],
      ['b', ['bb']],
      ['c', null],
    ] as const) {
      const { supervisor, reports } = supervisorOf();
      Object.assign(supervisor.state, { cluster: view({ leader: leaderOf(leader, 200), nodes }) });
      assert.deepEqual(reports.leaderLinks(), links, leader);
    }
  });

  it('leaves no lease behind, and forgets it only when it is revoked', async () => {
    for (const isRevoked of [true, false]) {
      const { supervisor, asked } = supervisorOf({
        revokeLease: async () => {
          if (!isRevoked) throw new Error('etcd does not answer');
        },
      });
      const run = supervisor.run();
      while (supervisor.state.lease === null) await settle();
      supervisor.stop();
      await run;
      const revoked = asked.find(([method]) => method === 'revokeLease');
      assert.deepEqual(revoked, ['revokeLease', '77']);
      assert.equal(
        asked.some(([method]) => method === 'forget'),
        isRevoked,
      );
    }
  });
});
