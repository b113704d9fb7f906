import type { CuttableDisk } from '../../lab/cuttable-disk.ts';
import type { LabHost } from '../../lab/host.ts';
import type { Lab } from '../../lab/lab.ts';
import type { Leadership } from '../history.ts';
import { type Role, roles } from './plan.ts';
import { type Status, StatusWatch } from './status-watch.ts';

/** The cluster as an operator sees it, through the command line alone. */
export class Cluster implements Disposable {
  readonly lab: Lab;
  readonly #disks: ReadonlyMap<LabHost, CuttableDisk>;
  readonly #statuses: ReadonlyMap<LabHost, StatusWatch>;

  constructor(lab: Lab, disks: ReadonlyMap<LabHost, CuttableDisk>) {
    this.lab = lab;
    this.#disks = disks;
    this.#statuses = new Map(lab.hosts.map((host) => [host, new StatusWatch(host)]));
  }

  [Symbol.dispose](): void {
    for (const watch of this.#statuses.values()) watch.stop();
  }

  disk(host: LabHost): CuttableDisk {
    const disk = this.#disks.get(host);
    if (disk === undefined) throw new Error(`${host.name} has no disk of its own`);
    return disk;
  }

  /** Null when there is none, or no supervisor answers. */
  async pidOf(host: LabHost, name: string): Promise<number | null> {
    return (await this.#statuses.get(host)?.next())?.processes[name] ?? null;
  }

  /** The host that leads by its own word; null: none. */
  leader(among: readonly LabHost[] = this.lab.hosts): LabHost | null {
    return among.find((host) => this.#statuses.get(host)?.latest?.phase === 'leading') ?? null;
  }

  /** Who has the role now: the leader first, the others by name. */
  async hostIn(role: Role): Promise<LabHost> {
    await Promise.all([...this.#statuses.values()].map((watch) => watch.next()));
    const leader = this.leader() ?? this.lab.hosts[0];
    const host = [leader, ...this.lab.hosts.filter((each) => each !== leader)][roles.indexOf(role)];
    if (host === undefined) throw new Error(`nobody is ${role}`);
    return host;
  }

  /** Waits until one of them leads. */
  waitForLeader(among: readonly LabHost[], limitMs = 40_000): Promise<LabHost> {
    return this.lab.wait(
      `one of ${among.map(({ name }) => name)} to lead`,
      async () => this.leader(among),
      limitMs,
    );
  }

  /** Waits until a host leads and all of them follow it. */
  waitForSync(limitMs: number): Promise<LabHost> {
    return this.#waitFor('one host leading with all in sync', Infinity, limitMs);
  }

  /** Without a lag, too: nobody changes anything. */
  waitForQuiet(limitMs: number): Promise<LabHost> {
    return this.#waitFor('one host leading with all in sync and no lag', 0, limitMs);
  }

  #waitFor(what: string, maxLag: number, limitMs: number): Promise<LabHost> {
    const follows = ({ role, inSync, replication }: Status['hosts'][number]) =>
      inSync &&
      (role === 'leader' || (replication?.state === 'streaming' && replication.lagOperations <= maxLag));
    return this.lab.wait(
      what,
      async () => {
        const leader = this.leader();
        const status = leader && (await this.#statuses.get(leader)?.next());
        return status?.hosts.filter(follows).length === this.lab.hosts.length ? leader : null;
      },
      limitMs,
    );
  }

  /** Who led when, in the order of epochs. */
  async led(leader: LabHost): Promise<Leadership[]> {
    const { text } = await leader.holdfast('history', '--json', '--last', '200');
    const records: { epoch: number; node: string; at: string }[] = JSON.parse(text);
    return records
      .map(({ epoch, node, at }) => ({ epoch, node, since: Date.parse(at) }))
      .sort((a, b) => a.epoch - b.epoch);
  }
}
