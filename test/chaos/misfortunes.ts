import { setTimeout as delay } from 'node:timers/promises';
import type { LabHost } from '../lab/host.ts';
import type { Lab } from '../lab/lab.ts';
import type { Random } from '../sim/timeline.ts';

/** Something that befalls a lab, and is over, with everything running again, when `happen` resolves. */
export interface Misfortune {
  readonly name: string;
  happen(): Promise<void>;
}

/** Longer and shorter than a lease of three seconds lives. */
const longestMs = 6000;
const ports = { etcd: [2379, 2380], replication: [7420], sftp: [2222] } as const;

/** A few at once: each on another host, and an operator may be at work too. */
export function drawMisfortunes(lab: Lab, random: Random): Misfortune[] {
  const hosts = [...lab.hosts].sort(() => random.next() - 0.5);
  const struck = hosts.slice(0, random.chance(0.6) ? 1 : 2);
  const drawn = struck.map((host) => random.pick(onHost(lab, host, random))());
  return random.chance(0.3) ? [...drawn, operator(lab, hosts.at(-1) ?? lab.host('a'), random)] : drawn;
}

function onHost(lab: Lab, host: LabHost, random: Random): (() => Misfortune)[] {
  const ms = Math.round(random.between(50, longestMs));
  const misfortune = (what: string, happen: () => Promise<void>): Misfortune => ({
    name: `${host.name}: ${what}`,
    happen,
  });
  const others = lab.others(host).map(({ network }) => network);
  return [
    () => killedSupervisor(host, random.chance(0.5), ms),
    () => killedSupervisor(host, true, 0),
    () => misfortune('SFTP node killed', () => signalChild(host, 'sftpNode', 'SIGKILL')),
    () => misfortune('replicator killed', () => signalChild(host, 'replicator', 'SIGKILL')),
    () => frozen(host, drawProcesses(random), ms),
    () => frozen(host, drawProcesses(random), ms),
    () =>
      misfortune(`link down for ${ms} ms`, async () => {
        await host.network.linkDown();
        await delay(ms);
        await host.network.linkUp();
      }),
    () => {
      const direction = random.pick(['in', 'out', 'both'] as const);
      const what = random.pick(['etcd', 'replication', 'sftp', 'all'] as const);
      return misfortune(`${what} cut (${direction}) for ${ms} ms`, async () => {
        await host.network.cut([...others, lab.client.network], direction, what === 'all' ? [] : ports[what]);
        await delay(ms);
        await host.network.heal();
      });
    },
    () =>
      misfortune(`etcd member dead for ${ms} ms`, async () => {
        await host.stopEtcd();
        await delay(ms);
        host.startEtcd();
      }),
    () =>
      misfortune(`host dead for ${ms} ms`, async () => {
        await host.die();
        await delay(ms);
        await host.comeBack();
      }),
  ];
}

function killedSupervisor(host: LabHost, isReleased: boolean, ms: number): Misfortune {
  return {
    name: `${host.name}: supervisor killed${isReleased ? ', released' : ''}, back after ${ms} ms`,
    happen: async () => {
      await host.signalSupervisor('SIGKILL');
      if (isReleased) await host.release().catch(() => {});
      await delay(ms);
      host.startSupervisor();
    },
  };
}

const freezable = ['supervisor', 'sftpNode', 'replicator'] as const;
type Freezable = (typeof freezable)[number];

function drawProcesses(random: Random): Freezable[] {
  const drawn = freezable.filter(() => random.chance(0.5));
  return drawn.length > 0 ? drawn : [...freezable];
}

/** Not etcd: Debian's ends live leases when a member that led it thaws (etcd-io/etcd#15247). */
function frozen(host: LabHost, what: readonly Freezable[], ms: number): Misfortune {
  return {
    name: `${host.name}: ${what.join(', ')} frozen for ${ms} ms`,
    happen: async () => {
      const { processes } = await host.status();
      const pids = what.map((name) => processes[name]).filter((pid) => pid !== null);
      for (const pid of pids) signal(pid, 'SIGSTOP');
      await delay(ms);
      for (const pid of pids) signal(pid, 'SIGCONT');
    },
  };
}

async function signalChild(host: LabHost, name: Freezable, what: NodeJS.Signals): Promise<void> {
  const pid = (await host.status()).processes[name];
  if (pid !== null) signal(pid, what);
}

function signal(pid: number, what: NodeJS.Signals): void {
  try {
    process.kill(pid, what);
  } catch {
    // It has ended meanwhile.
  }
}

function operator(lab: Lab, host: LabHost, random: Random): Misfortune {
  const to = random.pick(lab.hosts).name;
  const [what, command] = random.pick([
    ['switchover', ['switchover', '--yes']],
    [`switchover to ${to}`, ['switchover', '--to', to, '--yes']],
    ['drill with a drain', ['switchover', '--drill', '--drain', '2s', '--yes']],
  ] as const);
  return {
    name: `operator on ${host.name}: ${what}`,
    // It may be refused, or fail: what holds afterwards is looked at.
    happen: async () => void (await host.holdfast(...command)),
  };
}
