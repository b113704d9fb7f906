import type { HostModel } from './host.ts';
import { Random } from './timeline.ts';
import { faultsEndMs, type World } from './world.ts';

/** What goes wrong, and when. */
export class Misfortunes {
  readonly #world: World;
  readonly #seed: number;
  readonly #without: ReadonlySet<number>;
  count = 0;

  constructor(world: World, seed: number, without: ReadonlySet<number>) {
    this.#world = world;
    this.#seed = seed;
    this.#without = without;
  }

  schedule(): void {
    const { random } = this.#world;
    let at = 1500;
    while (at < faultsEndMs) {
      const number = this.count++;
      // Dice of its own, so that leaving one out changes as little as can be of the others.
      const dice = new Random(this.#seed ^ Math.imul(number + 1, 0x9e37_79b9));
      if (!this.#without.has(number)) this.#world.timeline.after(at, () => this.#misfortune(dice));
      at += random.between(200, 4000);
    }
  }

  #misfortune(random: Random): void {
    const world = this.#world;
    const { timeline, network, etcd, operator } = world;
    const leader = world.hosts.find((host) => host.id === world.leader);
    const host = leader !== undefined && random.chance(0.6) ? leader : random.pick(world.hosts);
    const lasts = random.chance(0.5) ? random.between(50, 1500) : random.between(1500, 8000);
    const forAWhile = (what: string, begin: () => void, end: () => void) => {
      world.tell(`${host.id}: ${what} for ${lasts.toFixed(0)} ms`);
      begin();
      timeline.after(lasts, end);
    };
    const link = (from: string, to: string) =>
      forAWhile(
        `${from} > ${to} cut`,
        () => network.cut(from, to),
        () => network.heal(from, to),
      );
    const other = random.pick(world.hosts.filter((candidate) => candidate !== host));
    const kinds: (() => void)[] = [
      () =>
        forAWhile(
          'answers of etcd come late',
          () => network.answersSlow.set(host.id, random.between(200, 900)),
          () => network.answersSlow.delete(host.id),
        ),
      () => link(host.id, 'etcd'),
      () => link('etcd', host.id),
      () => {
        link(host.id, 'etcd');
        link('etcd', host.id);
      },
      () => link(host.id, other.id),
      () => this.#pause(host, 'supervisor', lasts),
      () => this.#pause(host, 'node', lasts),
      () => {
        this.#pause(host, 'supervisor', lasts);
        this.#pause(host, 'node', lasts);
      },
      () => {
        world.tell(`${host.id}: disk frozen for ${lasts.toFixed(0)} ms`);
        host.freezeDisk(lasts);
      },
      () => this.#crash(host, 'supervisor', lasts),
      () => this.#crash(host, 'host', lasts),
      () => {
        world.tell(`${host.id}: kill -9 sftp-node`);
        host.crashNode();
      },
      () =>
        forAWhile(
          'ip fails',
          () => (host.ipFails = true),
          () => (host.ipFails = false),
        ),
      () =>
        forAWhile(
          'ip is slow',
          () => (host.ipSlow = true),
          () => (host.ipSlow = false),
        ),
      () =>
        forAWhile(
          'etcd is slow',
          () => (etcd.slowMs = random.between(50, 700)),
          () => (etcd.slowMs = 0),
        ),
      () => operator.stop(host),
      () => operator.switchover(random.chance(0.3) ? null : other.id),
      () => operator.switchover(random.chance(0.3) ? null : other.id),
      () => operator.pause(lasts),
      () => operator.failover(host),
      () => etcd.takeSnapshot(),
      () => operator.restoreEtcd(),
      () => this.#stale(other, host, lasts),
      () => this.#stale(other, host, lasts),
      () => operator.tamper(),
      () => operator.tamper(),
    ];
    random.pick(kinds)();
  }

  /**
   * One host is left out of the in-sync set, and its reads come so late that it does not know, while watches tell it at
   * once that the leader is gone: what it claims by is stale.
   */
  #stale(host: HostModel, leader: HostModel, lasts: number): void {
    const { network, timeline, random } = this.#world;
    this.#world.tell(`${host.id}: out of ${leader.id}'s sight, with old reads, for ${lasts.toFixed(0)} ms`);
    network.cut(leader.id, host.id);
    network.answersSlow.set(host.id, random.between(500, 990));
    timeline.after(random.between(1000, 2500), () => this.#crash(leader, 'supervisor', lasts));
    timeline.after(lasts + 2500, () => {
      network.heal(leader.id, host.id);
      network.answersSlow.delete(host.id);
    });
  }

  #pause(host: HostModel, what: 'supervisor' | 'node', ms: number): void {
    this.#world.tell(`${host.id}: ${what} paused for ${ms.toFixed(0)} ms`);
    host.pausedUntil[what] = Math.max(host.pausedUntil[what], this.#world.timeline.now + ms);
  }

  #crash(host: HostModel, what: 'supervisor' | 'host', ms: number): void {
    this.#world.tell(`${host.id}: ${what} dies, back in ${ms.toFixed(0)} ms`);
    if (what === 'host') host.crashHost();
    else host.crashSupervisor(this.#world.random.chance(0.5));
    this.#world.timeline.after(ms, () => host.start());
  }
}
