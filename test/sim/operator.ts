import { isOver } from '../../supervisor/core/records/operation.ts';
import type { HostModel } from './host.ts';
import { keyPrefix, type SupervisorRun } from './run.ts';
import type { World } from './world.ts';

const by = 'operator';

/** An operator, by the supervisors' own operators, on any host that reaches etcd; and what hands do to etcd. */
export class OperatorModel {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  stop(host: HostModel): void {
    const { timeline, random } = this.#world;
    this.#world.tell(`${host.id}: told to stop`);
    host.run?.later(0, () => host.run?.supervisor.stop());
    timeline.after(random.between(3000, 6000), () => host.start());
  }

  switchover(to: string | null): void {
    const { random, timeline } = this.#world;
    const drainMs = random.chance(0.5) ? 0 : Math.floor(random.between(0, 3000));
    this.#ask(`switchover to ${to ?? 'the best'}, drain ${drainMs} ms`, ({ operator }) =>
      operator.request({
        kind: 'switchover',
        to,
        at: null,
        drainMs,
        force: false,
        drill: false,
        by,
        dryRun: false,
      }),
    );
    if (random.chance(0.3)) timeline.after(random.between(0, 1500), () => this.#cancel());
  }

  failover(host: HostModel, force = false): void {
    if (this.#world.leader !== null) return;
    this.#ask(`failover to ${host.id}${force ? ' by force' : ''}`, ({ operator }) =>
      operator.request({
        kind: 'failover',
        to: host.id,
        at: null,
        drainMs: 0,
        force,
        drill: false,
        by,
        dryRun: false,
      }),
    );
    if (this.#world.random.chance(0.2)) this.#world.timeline.after(500, () => this.#cancel());
  }

  pause(lasts: number): void {
    this.#ask('pause', ({ operator }) => operator.pause(by, 'maintenance'));
    this.#world.timeline.after(lasts, () => this.#ask('resume', ({ operator }) => operator.resume(by)));
  }

  /** A slip of the hand with etcdctl. */
  tamper(): void {
    const { random, etcd } = this.#world;
    const [key, value] = random.pick([
      ['insync', null],
      ['insync', '{'],
      ['paused', 'yes'],
      ['operation', 'none'],
      ['restored', '?'],
      ['era', 'x'],
      ['leader', 'me'],
      ['successor', '-'],
      ['format', '1'],
    ] as const);
    // Overwriting the leader key takes its lease away, so that nothing would be left to end it.
    if (value === null || etcd.has(keyPrefix + key) || key !== 'leader') {
      this.#world.tell(`somebody ${value === null ? 'deletes' : 'overwrites'} the key ${key}`);
      this.#world.count(`tampered with ${key}`);
      etcd.tamper(keyPrefix + key, value);
    }
  }

  /**
   * Etcd goes back to its snapshot. What no host that is there remembers cannot be noticed, so all of them are there.
   */
  restoreEtcd(): void {
    const world = this.#world;
    const all = world.reachable().filter((run) => run.supervisor.state.cluster !== null);
    if (all.length < world.hosts.length || !world.etcd.restore()) return;
    world.restoredAt = world.timeline.now;
    world.fencing.forget();
    world.tell('etcd is restored from its snapshot');
    world.count('etcd restored');
  }

  /** Looks again and again, once faults have ended, and does what `status` advises. */
  putRight(): void {
    this.#ask('mends keys', async (run) => {
      const plans = await run.operator.planMend();
      for (const { key, modRevision } of plans) await run.operator.mend(by, key, modRevision);
      return plans.length > 0;
    });
    this.#ask('accepts etcd as it is', async ({ operator }) => {
      const plan = await operator.planRestored();
      if (plan.refusal !== null || plan.away.length > 0 || plan.hosts.length < this.#world.hosts.length)
        return false;
      await operator.acceptRestored(by, plan.members);
      return true;
    });
    const paused = this.#world.etcd.has(`${keyPrefix}paused`);
    if (paused) this.#ask('resume', ({ operator }) => operator.resume(by));
    this.#forceIfLost();
  }

  /** Nobody leads, and the in-sync set is lost or empty: whoever is known to hold everything is made to lead. */
  #forceIfLost(): void {
    const world = this.#world;
    const inSync = world.etcd.value(`${keyPrefix}insync`) as { members?: string[] } | undefined;
    const isLost = world.leader === null && (inSync?.members ?? []).length === 0;
    const { operation } = world;
    const isAsked = operation?.kind === 'failover' && !isOver(operation);
    const best = world.hosts.find((host) => host.run !== null && world.holdsAll(host));
    if (isLost && !isAsked && best !== undefined) this.failover(best, true);
  }

  #cancel(): void {
    this.#ask('calls the operation off', ({ operator }) => operator.cancel(by));
  }

  #ask(what: string, request: (run: SupervisorRun) => Promise<unknown>): void {
    const [run] = this.#world.reachable();
    if (run !== undefined) this.#world.ask(run, what, request);
  }
}
