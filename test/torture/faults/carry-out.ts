import { setTimeout as delay } from 'node:timers/promises';
import type { LabHost } from '../../lab/host.ts';
import type { Cluster } from './cluster.ts';
import type { Fault, FaultKind } from './plan.ts';
import type { Thaw } from './thaw.ts';

const ports = { etcd: [2379, 2380], replication: [7420], sftp: [2222], all: [] } as const;

interface Scene {
  readonly cluster: Cluster;
  readonly thaw: Thaw;
}

type Act = (scene: Scene, host: LabHost, fault: Fault) => Promise<void>;

/** It is over, with everything running again, when this resolves. @returns the host that it befell */
export async function carryOut(scene: Scene, fault: Fault): Promise<LabHost> {
  const host = await scene.cluster.hostIn(fault.role);
  for (const each of scene.cluster.lab.hosts) each.note(`${host.name}: ${fault.kind}`);
  await acts[fault.kind](scene, host, fault);
  return host;
}

const acts: Record<FaultKind, Act> = {
  'supervisor killed': async (_, host, { isReleased, ms }) => {
    await host.signalSupervisor('SIGKILL');
    if (isReleased) await host.release().catch(() => {});
    await delay(ms);
    host.startSupervisor();
  },

  'SFTP node killed': ({ cluster }, host) => kill(cluster, host, 'sftpNode'),

  'replicator killed': ({ cluster }, host) => kill(cluster, host, 'replicator'),

  /** Not etcd: Debian's ends live leases when a member that led it thaws (etcd-io/etcd#15247). */
  'processes frozen': async ({ cluster, thaw }, host, { frozen, ms }) => {
    const pids = await Promise.all(frozen.map((name) => cluster.pidOf(host, name)));
    await thaw.during(async () => {
      for (const pid of pids) signal(pid, 'SIGSTOP');
      await delay(ms);
      for (const pid of pids) signal(pid, 'SIGCONT');
    });
  },

  'network cut': async ({ cluster: { lab } }, host, { direction, traffic, ms }) => {
    const others = [...lab.others(host), lab.client].map(({ network }) => network);
    await host.network.cut(others, direction, ports[traffic]);
    await delay(ms);
    await host.network.heal();
  },

  'link down': async (_, host, { ms }) => {
    await host.network.linkDown();
    await delay(ms);
    await host.network.linkUp();
  },

  'disk full': async ({ cluster }, host, { ms }) => {
    const disk = cluster.disk(host);
    await disk.fill();
    await delay(ms);
    disk.free();
    // An etcd member ends when it cannot write, and its service manager starts it again.
    await host.stopEtcd();
    host.startEtcd();
  },

  /** It may be refused, or fail: what holds afterwards is looked at. */
  switchover: async (_, host, { drains }) => {
    await host.holdfast('switchover', ...(drains ? ['--drain', '2s'] : []), '--yes');
  },

  'host dead': async (_, host, { ms }) => {
    await host.die();
    await delay(ms);
    await host.comeBack();
  },

  /** The second leader dies as soon as it leads. */
  'two failovers': async ({ cluster }, host) => {
    const { lab } = cluster;
    const first = cluster.leader() ?? host;
    await first.signalSupervisor('SIGKILL');
    const second = await cluster.waitForLeader(lab.others(first));
    await second.signalSupervisor('SIGKILL');
    await cluster.waitForLeader(lab.others(second).filter((each) => each !== first));
    first.startSupervisor();
    second.startSupervisor();
  },

  /** Only when the others have everything; else it would be the loss of a disk that nobody can make up for. */
  'host replaced': async ({ cluster }, host) => {
    await cluster.waitForSync(60_000);
    await host.die();
    await host.network.allEnded();
    cluster.disk(host).erase();
    await cluster.waitForLeader(cluster.lab.others(host));
    await host.comeBack();
  },

  'etcd member dead': async (_, host, { ms }) => {
    await host.stopEtcd();
    await delay(ms);
    host.startEtcd();
  },

  'power cut': async ({ cluster }, host, { ms }) => {
    await cluster.disk(host).cutPower();
    await delay(ms);
    await host.comeBack();
  },

  'power cut everywhere': async ({ cluster }, _, { ms }) => {
    const { hosts } = cluster.lab;
    await Promise.all(hosts.map((host) => cluster.disk(host).freeze()));
    await Promise.all(hosts.map((host) => cluster.disk(host).finishCut()));
    await delay(ms);
    for (const host of hosts) await host.comeBack();
  },

  'clock stepped': async (_, host, { clockSeconds, ms }) => {
    host.useOwnWallClock().step(clockSeconds);
    await delay(ms);
    host.useOwnWallClock().step(0);
  },
};

async function kill(cluster: Cluster, host: LabHost, name: string): Promise<void> {
  signal(await cluster.pidOf(host, name), 'SIGKILL');
}

function signal(pid: number | null, what: NodeJS.Signals): void {
  try {
    if (pid !== null) process.kill(pid, what);
  } catch {
    // It has ended meanwhile.
  }
}
