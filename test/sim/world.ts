import { changedMembers } from '../../supervisor/core/records/membership.ts';
import { isOver } from '../../supervisor/core/records/operation.ts';
import type { Leader } from '../../supervisor/core/records/records.ts';
import { planRestored } from '../../supervisor/core/restored/plan.ts';
import { EtcdModel } from './etcd.ts';
import { append, holds, type Write } from './history.ts';
import { HostModel, lease } from './host.ts';
import { Network } from './network.ts';
import { Random, Timeline } from './timeline.ts';

const faultsEndMs = 25_000;
/** After the last fault, a leader within this time: old leases end, a promotion may have to back off. */
const healMs = 30_000;
const syncTimeoutMs = 1000;

/** A promise that the product broke in a simulated story. */
export class BrokenGuarantee extends Error {}

/** Some hosts, etcd, a network and misfortune. */
export class World {
  readonly timeline = new Timeline();
  readonly random: Random;
  readonly network: Network;
  readonly etcd: EtcdModel;
  readonly hosts: HostModel[];
  /** The story so far, for a failure's report. */
  readonly story: string[] = [];
  #lastAcknowledged: Write | null = null;
  #acknowledged = 0;
  #waiting: { host: HostModel; write: Write; since: number } | null = null;
  #changing = false;
  #joining = { epoch: 0, nodes: new Set<string>() };

  #restoredAt = Number.NEGATIVE_INFINITY;
  readonly #seed: number;
  readonly #without: ReadonlySet<number>;
  /** How many misfortunes there would be, with those left out. */
  misfortunes = 0;

  /** @param without misfortunes left out, by number: to tell a shorter story of what broke */
  constructor(seed: number, without: ReadonlySet<number> = new Set()) {
    this.#seed = seed;
    this.#without = without;
    this.random = new Random(seed);
    this.network = new Network(this.timeline, this.random);
    this.etcd = new EtcdModel(this.timeline, this.random, lease.ttl);
    this.hosts = ['a', 'b', 'c'].map((id) => new HostModel(id, this));
    this.etcd.watchers.push((leader, revision) => this.#watch(leader, revision));
  }

  /** Lives through it. @throws BrokenGuarantee */
  async run(): Promise<{ acknowledged: number; operations: Record<string, number> }> {
    for (const host of this.hosts) this.timeline.after(this.random.between(0, 300), () => host.start());
    this.timeline.every(25, () => {
      this.#clientWrites();
      return true;
    });
    this.#scheduleMisfortune();
    while (this.timeline.step(faultsEndMs + healMs)) {
      await flushPromises();
      this.#check();
    }
    this.#checkHealed();
    return { acknowledged: this.#acknowledged, operations: this.etcd.ended };
  }

  tell(what: string): void {
    this.story.push(`${this.timeline.now.toFixed(0).padStart(6)} ms  ${what}`);
  }

  /** The tail of the journal reaches the successor, or it is told that it did not. */
  handOff(from: HostModel, epoch: number, target: string): boolean {
    const to = this.hosts.find((host) => host.id === target);
    return to !== undefined && this.#deliver(from, epoch, to);
  }

  #watch(leader: Leader | null, revision: number): void {
    for (const host of this.hosts) {
      if (this.random.chance(0.9))
        this.network.send('etcd', host.id, () => host.run?.watched(leader, revision));
    }
  }

  /** A client tries to write wherever the service answers. */
  #clientWrites(): void {
    for (const host of this.hosts) {
      if (!host.mayAcknowledge || host.node === null) continue;
      const waiting = this.#waiting;
      if (waiting?.host === host && waiting.write.epoch === host.node.epoch) this.#acknowledge(waiting);
      else {
        host.files = append(host.files, host.node.epoch, host.id);
        this.#waiting = { host, write: host.files, since: this.timeline.now };
        this.#acknowledge(this.#waiting);
      }
    }
  }

  /** The replicator's rule: every member of the in-sync set has it, or is not a member any more. */
  #acknowledge(waiting: { host: HostModel; write: Write; since: number }): void {
    const { host, write } = waiting;
    const { run, node } = host;
    if (run === null || node === null || run.role.type !== 'lead' || run.role.epoch !== node.epoch) return;
    const members = this.#counted(run.state.cluster?.inSync?.members ?? [], node.epoch);
    const others = this.hosts.filter((other) => other !== host);
    const delivered = others.filter((other) => this.#deliver(host, node.epoch, other));
    const missing = others.filter((other) => members.includes(other.id) && !delivered.includes(other));
    const joining = delivered.find((other) => !members.includes(other.id));
    if (missing[0] !== undefined) {
      if (this.timeline.now - waiting.since > syncTimeoutMs)
        this.#changeMembers(host, node.epoch, 'remove', missing[0].id);
      return;
    }
    if (joining !== undefined) this.#changeMembers(host, node.epoch, 'add', joining.id);
    if (this.#changing) return;
    this.#waiting = null;
    if (!host.mayAcknowledge) return;
    if (!holds(write, this.#lastAcknowledged)) {
      throw new BrokenGuarantee(
        `G3/G5: ${host.id} at epoch ${node.epoch} acknowledges without what was acknowledged before`,
      );
    }
    if (write.epoch < (this.#lastAcknowledged?.epoch ?? 0)) {
      throw new BrokenGuarantee(
        `G1: ${host.id} acknowledges at epoch ${write.epoch} after a newer epoch did`,
      );
    }
    this.#lastAcknowledged = write;
    this.#acknowledged += 1;
  }

  /** Who is asked to join counts from before it is asked, until it is known to be out. */
  #counted(members: readonly string[], epoch: number): string[] {
    if (this.#joining.epoch !== epoch) {
      this.#joining = { epoch, nodes: new Set() };
      this.#changing = false;
    }
    return [...new Set([...members, ...this.#joining.nodes])];
  }

  #deliver(from: HostModel, epoch: number, to: HostModel): boolean {
    const connected = this.network.passes(from.id, to.id) && this.network.passes(to.id, from.id);
    const role = to.run?.role;
    if (!connected || role?.type !== 'follow' || role.leader !== from.id || role.epoch !== epoch)
      return false;
    if (epoch < to.highestEpoch) {
      from.toldEpoch = Math.max(from.toldEpoch, to.highestEpoch);
      from.run?.reportReplicator();
      return false;
    }
    to.highestEpoch = epoch;
    to.files = from.files;
    return true;
  }

  /** As the supervisor does it: from its view of the set, by compare-and-swap, believing only the answer. */
  #changeMembers(host: HostModel, epoch: number, change: 'add' | 'remove', node: string): void {
    const { run } = host;
    const inSync = run?.state.cluster?.inSync;
    if (this.#changing || run === null || !inSync) return;
    this.#changing = true;
    const members = changedMembers(inSync.members, change, node, host.id);
    if (change === 'add') this.#joining.nodes.add(node);
    const write = () => this.etcd.writeInSync(epoch, members, inSync.modRevision);
    const done = () => {
      this.#changing = false;
      run.readAgain();
    };
    run.later(1, () => {
      this.network
        .ask(host.id, () => this.etcd.slowMs, 2000, write)
        .then((written) => {
          if (!written) return;
          this.tell(`${host.id}: in-sync set {${members.join(',')}}`);
          if (change === 'remove') this.#joining.nodes.delete(node);
        })
        .then(done, done);
    });
  }

  #scheduleMisfortune(): void {
    let at = 1500;
    while (at < faultsEndMs) {
      const number = this.misfortunes++;
      // Dice of its own, so that leaving one out changes as little as can be of the others.
      const dice = new Random(this.#seed ^ Math.imul(number + 1, 0x9e37_79b9));
      if (!this.#without.has(number)) this.timeline.after(at, () => this.#misfortune(dice));
      at += this.random.between(200, 4000);
    }
    this.timeline.after(faultsEndMs, () => this.#heal());
  }

  #misfortune(random: Random): void {
    const { timeline } = this;
    const leader = this.hosts.find((host) => host.id === this.etcd.leader?.node);
    const host = leader !== undefined && random.chance(0.6) ? leader : random.pick(this.hosts);
    const lasts = random.chance(0.5) ? random.between(50, 1500) : random.between(1500, 8000);
    const forAWhile = (what: string, begin: () => void, end: () => void) => {
      this.tell(`${host.id}: ${what} for ${lasts.toFixed(0)} ms`);
      begin();
      timeline.after(lasts, end);
    };
    const link = (from: string, to: string) =>
      forAWhile(
        `${from} > ${to} cut`,
        () => this.network.cut(from, to),
        () => this.network.heal(from, to),
      );
    const other = random.pick(this.hosts.filter((candidate) => candidate !== host));
    const kinds: (() => void)[] = [
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
        this.tell(`${host.id}: disk frozen for ${lasts.toFixed(0)} ms`);
        host.freezeDisk(lasts);
      },
      () => this.#crash(host, 'supervisor', lasts),
      () => this.#crash(host, 'host', lasts),
      () => {
        this.tell(`${host.id}: kill -9 sftp-node`);
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
          () => (this.etcd.slowMs = random.between(50, 700)),
          () => (this.etcd.slowMs = 0),
        ),
      () => this.#stopByOperator(host),
      () => this.#switchoverByOperator(random.chance(0.3) ? null : other.id),
      () => this.#switchoverByOperator(random.chance(0.3) ? null : other.id),
      () => this.#pauseByOperator(lasts),
      () => this.#failoverByOperator(host),
      () => this.etcd.takeSnapshot(),
      () => this.#restoreByOperator(),
    ];
    random.pick(kinds)();
  }

  #pause(host: HostModel, what: 'supervisor' | 'node', ms: number): void {
    this.tell(`${host.id}: ${what} paused for ${ms.toFixed(0)} ms`);
    host.pausedUntil[what] = Math.max(host.pausedUntil[what], this.timeline.now + ms);
  }

  #crash(host: HostModel, what: 'supervisor' | 'host', ms: number): void {
    this.tell(`${host.id}: ${what} dies, back in ${ms.toFixed(0)} ms`);
    if (what === 'host') host.crashHost();
    else host.crashSupervisor(this.random.chance(0.5));
    this.timeline.after(ms, () => host.start());
  }

  #stopByOperator(host: HostModel): void {
    this.tell(`${host.id}: told to stop`);
    host.run?.observe({ type: 'stop' });
    this.timeline.after(this.random.between(3000, 6000), () => host.start());
  }

  /** As a supervisor takes it down for an operator, on any host that reaches etcd. */
  #switchoverByOperator(to: string | null): void {
    const { etcd, random, timeline } = this;
    const drainMs = random.chance(0.5) ? 0 : random.between(0, 3000);
    if (!this.#ask('switchover', to, drainMs)) return;
    if (random.chance(0.3)) {
      timeline.after(random.between(0, 1500), () => {
        const { operation } = etcd;
        if (operation === null || isOver(operation)) return;
        this.tell(`operation ${operation.id} is called off at step ${operation.step}`);
        etcd.writeOperation({ ...operation, cancelledBy: 'operator' }, operation.modRevision);
      });
    }
  }

  #failoverByOperator(host: HostModel): void {
    if (this.etcd.leader === null) this.#ask('failover', host.id, 0);
  }

  #ask(kind: 'switchover' | 'failover', to: string | null, drainMs: number): boolean {
    const { etcd, random } = this;
    const before = etcd.operation;
    if (before !== null && !isOver(before)) return false;
    const id = Math.floor(random.between(0x1000_0000, 0xffff_ffff)).toString(16);
    this.tell(`operator: ${kind} ${id} to ${to ?? 'the best'}, drain ${drainMs.toFixed(0)} ms`);
    const from = etcd.leader?.node ?? null;
    const epoch = etcd.leader?.epoch ?? 0;
    const asked = {
      kind,
      id,
      to,
      drainMs,
      from,
      epoch,
      force: false,
      drill: false,
      requestedBy: 'operator',
      requestedAt: '',
    };
    const fresh = { at: null, step: null, steps: [], cancelledBy: null, outcome: null };
    const state = 'pending' as const;
    return etcd.writeOperation({ ...asked, ...fresh, state }, before?.modRevision ?? 0);
  }

  #pauseByOperator(lasts: number): void {
    this.tell(`operator: paused for ${lasts.toFixed(0)} ms`);
    this.etcd.writePause({ by: 'operator', at: '', reason: '', leader: this.etcd.leader?.node ?? null });
    this.timeline.after(lasts, () => this.etcd.writePause(null));
  }

  /**
   * Etcd goes back to its snapshot. What no host that is there remembers cannot be noticed, so all of them are there.
   */
  #restoreByOperator(): void {
    const { network, hosts, etcd, timeline } = this;
    const there = (host: HostModel) =>
      host.run?.state.cluster != null &&
      timeline.now >= host.pausedUntil.supervisor &&
      network.passes(host.id, 'etcd') &&
      network.passes('etcd', host.id);
    if (!hosts.every(there) || !etcd.restore()) return;
    this.#restoredAt = timeline.now;
    this.tell('etcd is restored from its snapshot');
  }

  /** An operator who looks again and again, once all hosts are up, until it can be accepted. */
  #acceptRestored(): void {
    const { etcd, timeline } = this;
    const view = etcd.view(timeline.now);
    const plan = planRestored(view);
    if (plan.refusal !== null || plan.away.length > 0 || plan.hosts.length < this.hosts.length) return;
    if (etcd.beginEra({ number: plan.era, acceptedBy: 'operator', acceptedAt: '' }, plan.members, view)) {
      etcd.writePause(null);
      this.tell(`operator: accepts etcd as it is, in era ${plan.era} with {${plan.members.join(',')}}`);
    }
  }

  #heal(): void {
    this.tell('all faults end');
    const places = ['etcd', ...this.hosts.map((host) => host.id)];
    for (const from of places) for (const to of places) this.network.heal(from, to);
    this.etcd.slowMs = 0;
    this.timeline.every(1000, () => {
      this.#acceptRestored();
      return true;
    });
    for (const host of this.hosts) {
      host.ipFails = false;
      host.ipSlow = false;
      // Again and again: one that was paused may stop only later.
      this.timeline.after(7000, () =>
        this.timeline.every(1000, () => {
          host.start();
          return true;
        }),
      );
    }
  }

  #check(): void {
    let acknowledging = '';
    let addressed = '';
    for (const host of this.hosts) {
      if (host.mayAcknowledge) {
        if (acknowledging !== '')
          throw new BrokenGuarantee(`G1: ${acknowledging} and ${host.id} may both acknowledge`);
        acknowledging = host.id;
      }
      if (host.hasVip) {
        if (addressed !== '')
          throw new BrokenGuarantee(`G2: ${addressed} and ${host.id} both have the virtual IP`);
        addressed = host.id;
        // A restore takes leases away before their time; what was granted on them ends by itself.
        const robbed = this.timeline.now < this.#restoredAt + lease.ttl;
        if (!robbed && (host.rememberedLease === null || !this.etcd.isLive(host.rememberedLease))) {
          throw new BrokenGuarantee(`G2: ${host.id} has the virtual IP without a lease`);
        }
      }
    }
    if (this.etcd.epochWentBack) throw new BrokenGuarantee('the epoch went back');
  }

  #checkHealed(): void {
    const leaders = this.hosts.filter(
      (host) => host.run?.state.phase.name === 'leading' && host.mayAcknowledge && host.hasVip,
    );
    if (leaders.length !== 1) {
      const phases = this.hosts
        .map((host) => `${host.id} ${host.run?.state.phase.name ?? 'down'}`)
        .join(', ');
      throw new BrokenGuarantee(`no service ${healMs} ms after the last fault: ${phases}`);
    }
    const { operation } = this.etcd;
    if (operation !== null && !isOver(operation)) {
      throw new BrokenGuarantee(
        `the operation ${operation.id} is stuck: ${operation.state} ${operation.step}`,
      );
    }
  }
}

/** Lets what was resolved at this instant run on, several promises deep. */
async function flushPromises(): Promise<void> {
  for (let depth = 0; depth < 12; depth++) await null;
}
