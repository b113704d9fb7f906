import { HoldfastError, messageOf } from '#contracts/errors.ts';
import { epochBaseOf } from '../../supervisor/core/records/era.ts';
import { isOver, type OperationRecord } from '../../supervisor/core/records/operation.ts';
import { EtcdModel } from './etcd.ts';
import { Fencing } from './fencing.ts';
import { holds, type Write } from './history.ts';
import { HostModel } from './host.ts';
import { Misfortunes } from './misfortunes.ts';
import { Network } from './network.ts';
import { OperatorModel } from './operator.ts';
import type { ReplicatorModel } from './replicator.ts';
import { keyPrefix, lease, type SupervisorRun } from './run.ts';
import { Random, Timeline } from './timeline.ts';

export const faultsEndMs = 25_000;
/** After the last fault, a leader within this time: old leases end, a promotion may have to back off. */
const healMs = 30_000;

/** A promise that the product broke in a simulated story. */
export class BrokenGuarantee extends Error {}

/** Some hosts, etcd, a network and misfortune. Supervisors, their stores and the replicators' rules are the real ones. */
export class World {
  readonly timeline = new Timeline();
  readonly random: Random;
  readonly network: Network;
  readonly etcd: EtcdModel;
  readonly hosts: HostModel[];
  readonly operator: OperatorModel;
  /** The story so far, for a failure's report. */
  readonly story: string[] = [];
  /** Whether supervisors tell what they do, which takes time. */
  readonly isTold: boolean;
  /** How operations ended, by kind and state, and what else happened. */
  readonly counts: Record<string, number> = {};
  restoredAt = Number.NEGATIVE_INFINITY;
  /** Called after whatever happens: a test strikes at the very step that it is named for. */
  afterEach: () => void = () => {};
  readonly fencing = new Fencing(keyPrefix);
  readonly #misfortunes: Misfortunes;
  readonly #withMisfortunes: boolean;
  #lastAcknowledged: Write | null = null;
  #acknowledged = 0;
  #highestEpoch = 0;
  #defect: string | null = null;

  /** @param without misfortunes left out, by number: to tell a shorter story of what broke */
  constructor(
    seed: number,
    without: ReadonlySet<number> = new Set(),
    isTold = false,
    { withMisfortunes = true } = {},
  ) {
    this.#withMisfortunes = withMisfortunes;
    this.isTold = isTold;
    this.random = new Random(seed);
    this.network = new Network(this.timeline, this.random);
    this.etcd = new EtcdModel(this.timeline, this.random);
    this.hosts = ['a', 'b', 'c'].map((id) => new HostModel(id, this));
    this.operator = new OperatorModel(this);
    this.#misfortunes = new Misfortunes(this, seed, without);
    this.etcd.onChanged = (transaction, before, after) => {
      const wrong = this.fencing.judge(transaction, before, after);
      if (wrong !== null) this.#defect ??= `G1: ${wrong}`;
    };
    this.etcd.watchers.push((change) => {
      this.#watchLeader(change.key, change.value, change.modRevision);
      for (const host of this.hosts) {
        if (this.random.chance(0.9)) {
          this.network.send('etcd', host.id, () => host.run?.later(0, () => host.watcher?.(change)));
        }
      }
    });
  }

  /** How many misfortunes there would be, with those left out. */
  get misfortunes(): number {
    return this.#misfortunes.count;
  }

  /** Lives through it. @throws BrokenGuarantee */
  async run(): Promise<{ acknowledged: number; counts: Record<string, number> }> {
    for (const host of this.hosts) this.timeline.after(this.random.between(0, 300), () => host.start());
    this.timeline.every(25, () => {
      this.#clientWrites();
      return true;
    });
    if (this.#withMisfortunes) this.#misfortunes.schedule();
    this.timeline.after(faultsEndMs, () => this.#heal());
    while (this.timeline.step(faultsEndMs + healMs)) {
      await flushPromises();
      this.afterEach();
      this.#check();
    }
    this.#checkHealed();
    return { acknowledged: this.#acknowledged, counts: this.counts };
  }

  tell(what: string): void {
    this.story.push(`${this.timeline.now.toFixed(0).padStart(6)} ms  ${what}`);
  }

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  /** A decision that should be impossible, or a run that ended as none may. */
  onDefect(host: HostModel, error: unknown): void {
    this.#defect ??= `${host.id}: ${error instanceof Error ? error.stack : messageOf(error)}`;
  }

  get leader(): string | null {
    const leader = this.etcd.value(`${keyPrefix}leader`) as { node?: string } | undefined;
    return leader?.node ?? null;
  }

  get operation(): OperationRecord | null {
    return (this.etcd.value(`${keyPrefix}operation`) as OperationRecord | undefined) ?? null;
  }

  /** What clients were told is stored and this host lacks must not be lost by an operator's word either. */
  holdsAll(host: HostModel): boolean {
    return holds(host.files, this.#lastAcknowledged);
  }

  replicatorOf(id: string): ReplicatorModel | null {
    return this.hosts.find((host) => host.id === id)?.run?.replicator ?? null;
  }

  /** Runs that an operator could ask: up, and reaching etcd. */
  reachable(): SupervisorRun[] {
    return this.hosts
      .filter(
        (host) =>
          this.timeline.now >= host.pausedUntil.supervisor &&
          this.network.passes(host.id, 'etcd') &&
          this.network.passes('etcd', host.id),
      )
      .flatMap((host) => host.run ?? []);
  }

  /** A refusal is an answer. Anything else is a defect. */
  ask(host: SupervisorRun, what: string, request: (run: SupervisorRun) => Promise<unknown>): void {
    request(host).then(
      (done) => {
        if (done !== false) this.tell(`operator: ${what}`);
      },
      (error) => {
        if (!(error instanceof HoldfastError)) this.#defect ??= `${what}: ${error.stack}`;
      },
    );
  }

  /** A client tries to write wherever the service answers. */
  #clientWrites(): void {
    for (const host of this.hosts) {
      const { node, run } = host;
      if (!host.mayAcknowledge || node === null || run?.replicator?.isWaiting !== false) continue;
      run.replicator.write(node.epoch);
    }
  }

  /** The replicator says that everybody in sync has it: the SFTP node looks at its gate, and answers the client. */
  acknowledge(host: HostModel, epoch: number, write: Write): void {
    if (!host.mayAcknowledge || host.node?.epoch !== epoch) return;
    if (!holds(write, this.#lastAcknowledged)) {
      throw new BrokenGuarantee(
        `G3/G5: ${host.id} at epoch ${epoch} acknowledges without what was acknowledged before`,
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

  #watchLeader(key: string, value: Buffer | null, modRevision: string): void {
    if (key === `${keyPrefix}operation` && this.operation !== null && isOver(this.operation)) {
      this.count(`${this.operation.kind} ${this.operation.state}`);
    }
    if (key !== `${keyPrefix}leader` || value === null) return;
    const record = this.etcd.value(key) as { era?: number; node?: string } | undefined;
    if (record?.node === undefined) return;
    const epoch = epochBaseOf(record.era ?? 0) + Number(modRevision);
    if (epoch <= this.#highestEpoch) throw new BrokenGuarantee(`the epoch went back to ${epoch}`);
    this.#highestEpoch = epoch;
  }

  #heal(): void {
    this.tell('all faults end');
    const places = ['etcd', ...this.hosts.map((host) => host.id)];
    for (const from of places) for (const to of places) this.network.heal(from, to);
    this.network.answersSlow.clear();
    this.etcd.slowMs = 0;
    this.timeline.every(1000, () => {
      this.operator.putRight();
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
    if (this.#defect !== null) throw new BrokenGuarantee(`a defect: ${this.#defect}`);
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
        const robbed = this.timeline.now < this.restoredAt + lease.ttl;
        if (!robbed && (host.rememberedLease === null || !this.etcd.isLive(host.rememberedLease))) {
          throw new BrokenGuarantee(`G2: ${host.id} has the virtual IP without a lease`);
        }
      }
    }
  }

  #checkHealed(): void {
    const leaders = this.hosts.filter(
      (host) => host.phase === 'leading' && host.mayAcknowledge && host.hasVip,
    );
    if (leaders.length !== 1) {
      const phases = this.hosts.map((host) => `${host.id} ${host.phase}`).join(', ');
      throw new BrokenGuarantee(`no service ${healMs} ms after the last fault: ${phases}`);
    }
    const { operation } = this;
    if (operation !== null && !isOver(operation)) {
      throw new BrokenGuarantee(
        `the operation ${operation.id} is stuck: ${operation.state} ${operation.step}`,
      );
    }
  }
}

/** Lets what was resolved at this instant run on, several promises deep. */
async function flushPromises(): Promise<void> {
  for (let depth = 0; depth < 20; depth++) await null;
}
