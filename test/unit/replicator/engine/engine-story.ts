import { setImmediate as tick } from 'node:timers/promises';
import type { LogRecord } from '../../../../replicator/core/record.ts';
import type { Leading } from '../../../../replicator/engine/leading.ts';
import { FollowingSession } from '../../../../replicator/peers/following-session.ts';
import { LiveStream } from '../../../../replicator/peers/live-stream.ts';
import { ServingSession } from '../../../../replicator/peers/serving-session.ts';
import { Broken, Checker } from '../../../sim/engine/checker.ts';
import { ProcessDied } from '../../../sim/engine/host.ts';
import { ClientWork } from '../../../sim/engine/work.ts';
import { Random } from '../../../sim/timeline.ts';
import { type MemoryEnd, memoryLink } from '../peers/memory-link.ts';
import { RealHost } from './engine-host.ts';

interface Connection {
  readonly follower: RealHost;
  readonly ends: readonly [leader: MemoryEnd, follower: MemoryEnd];
  readonly serving: ServingSession;
  readonly following: FollowingSession;
  ended: boolean;
}

const stepsToQuiet = 4000;

/**
 * Two engines on real folders with the real sessions between them: random work, cut connections, killed processes,
 * starts as after power loss, failovers. The model's checker looks at each host after each step.
 */
export class EngineStory {
  readonly random: Random;
  readonly hosts: readonly RealHost[];
  readonly checker = new Checker();
  readonly told: string[] = [];
  readonly counts: Record<string, number> = {};
  readonly #work: ClientWork;
  #leader: RealHost | null = null;
  #leading: Leading | null = null;
  #stream: LiveStream | null = null;
  #connection: Connection | null = null;
  #epoch = 0;
  #heals = false;
  #defect: unknown = null;
  #died: RealHost | null = null;

  constructor(seed: number) {
    this.random = new Random(seed);
    const maxActive = this.random.pick([4, 12, 1000]);
    const segmentBytes = this.random.pick([500, 4000, 1_000_000]);
    this.hosts = ['a', 'b'].map((id) => {
      const host = new RealHost(id);
      const { log } = host.options;
      Object.assign(host.options, {
        maxActive,
        log: { ...log, segmentBytes },
        onFatal: (error: unknown) => {
          if (!(error instanceof ProcessDied)) this.#defect ??= error;
        },
      });
      return host;
    });
    this.#work = new ClientWork(this.random);
  }

  async run(steps: number): Promise<void> {
    try {
      for (const host of this.hosts) await host.start();
      await this.#promote(this.hosts[0] as RealHost);
      for (let step = 0; step < steps; step++) await this.step();
      this.#heals = true;
      for (let step = 0; !this.isQuiet; step++) {
        if (step > stepsToQuiet) throw new Broken('no rest');
        await this.step();
      }
      this.checker.checkEqual(
        (this.#leader as RealHost).asModel,
        this.hosts.map((host) => host.asModel),
      );
    } finally {
      await this.#disconnect();
      for (const host of this.hosts) await host.remove();
    }
  }

  get isQuiet(): boolean {
    const leader = this.#leader;
    if (leader === null || this.#connection === null) return false;
    return this.hosts.every(
      ({ engine }) =>
        engine?.store.replica.isComplete === true && engine.store.log.chain.equals(leader.up.store.log.chain),
    );
  }

  async step(): Promise<void> {
    const faults: [number, () => unknown][] = [
      [2, () => this.#disconnect()],
      [1.5, () => this.#kill(this.random.pick(this.hosts), false)],
      [1, () => this.#kill(this.random.pick(this.hosts), true)],
      [1, () => this.#stopLeading()],
      [1.5, () => this.#dieSoon(this.random.pick(this.hosts))],
    ];
    const weights: [number, () => unknown][] = [
      [30, () => this.#clientChange()],
      [60, () => this.#deliver()],
      [10, () => this.#flush()],
      [12, () => this.#connect()],
      [10, () => this.#restart()],
      [10, () => this.#failOver()],
      ...(this.#heals ? [] : faults),
    ];
    let at = this.random.between(
      0,
      weights.reduce((sum, [weight]) => sum + weight, 0),
    );
    const picked = weights.find(([weight]) => {
      at -= weight;
      return at < 0;
    });
    await picked?.[1]();
    for (let turn = 0; turn < 3; turn++) await tick();
    if (this.#defect !== null) throw this.#defect;
    if (this.#died !== null) {
      const died = this.#died;
      this.#died = null;
      this.#count('died in a change');
      await this.#kill(died, false);
    }
    for (const host of this.hosts) if (host.engine !== null) this.checker.checkHost(host.asModel);
  }

  #count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  async #clientChange(): Promise<void> {
    const [leader, leading] = [this.#leader, this.#leading];
    if (leader === null || leading === null || this.#heals || this.#stream?.isFull === true) return;
    const model = leader.asModel;
    const next = this.#work.next(model);
    if (next === null) return;
    const position = { epoch: this.#epoch, sequence: model.last.sequence + 1 };
    this.told.push(`${leader.id} ${position.sequence} ${JSON.stringify(next.record)}`);
    this.checker.issued(position, next.record, model);
    try {
      leading.order([next.record], next.data === null ? [] : [Buffer.from(next.data)]);
      this.#noteTree(leader);
      this.#count(next.record.kind);
    } catch (error) {
      if (!(error instanceof ProcessDied)) throw error;
      this.told.push(`${leader.id} dies in the middle of a change`);
      this.#count('died in a change');
      await this.#kill(leader, false);
    }
  }

  #noteTree(leader: RealHost): void {
    this.checker.applied(leader.up.store.log.position, leader.asModel);
  }

  #deliver(): void {
    const ends = this.#connection?.ends.filter(({ hasSomething }) => hasSomething) ?? [];
    if (ends.length > 0) this.random.pick(ends).deliver();
  }

  /** Acknowledged is what both have on their disks. */
  async #flush(): Promise<void> {
    const host = this.random.pick(this.hosts);
    if (host.engine === null) return;
    const { up, id } = host;
    if (id === this.#leader?.id) this.#connection?.serving.flush(up.store.log.position.sequence);
    const flushed = await up.store.flush();
    if (id === this.#leader?.id && this.random.chance(0.5)) {
      const { sequence } = up.store.log.position;
      for (let frames = 0; frames < 400; frames++) {
        const { flushed: told } = this.#connection?.serving ?? {};
        if (told?.complete === true && told.position.sequence === sequence) break;
        this.#deliver();
        await tick();
      }
    }
    const theirs = this.#connection?.serving.flushed;
    if (id !== this.#leader?.id || theirs?.complete !== true || !flushed.complete) return;
    const sequence = Math.min(theirs.position.sequence, flushed.position.sequence);
    if (sequence < this.checker.acknowledged.sequence || theirs.position.epoch !== this.#epoch) return;
    this.checker.acknowledge({ epoch: this.#epoch, sequence });
    this.#count('acknowledged');
  }

  async #connect(): Promise<void> {
    const [leader, leading, stream] = [this.#leader, this.#leading, this.#stream];
    const follower = this.hosts.find((host) => host !== leader);
    if (leader === null || leading === null || stream === null || this.#connection !== null) return;
    if (follower === undefined || follower.engine === null) return;
    const ends = memoryLink(this.random.pick([60, 400, 64 * 1024]));
    const changed = () => {};
    const serving = new ServingSession(ends[0], {
      nodeId: follower.id,
      cluster: 'c',
      port: leading,
      stream,
      replicatesFiles: true,
      now: () => 0,
      onJoined: changed,
      onReceived: changed,
      onFlushed: changed,
      onPassed: changed,
      onChanged: changed,
      onHigherEpoch: changed,
    });
    serving.setMember(true);
    const following = new FollowingSession(ends[1], {
      port: follower.up.follow(),
      cluster: 'c',
      nodeId: follower.id,
      leader: leader.id,
      epoch: this.#epoch,
      highestEpoch: this.#epoch,
      onConfig: () => {},
      onChanged: changed,
    });
    const connection: Connection = { follower, ends, serving, following, ended: false };
    this.#connection = connection;
    this.told.push(`${follower.id} connects`);
    this.#count('connections');
    void following.run().then(async (error) => {
      connection.ended = true;
      this.told.push(`the connection ends: ${error.stack}`);
      if (error.cause instanceof ProcessDied) return;
      if (!['cut', 'the peer ended the connection'].includes(error.message)) this.#defect ??= error;
    });
  }

  async #disconnect(): Promise<void> {
    const connection = this.#connection;
    this.#connection = null;
    if (connection === null) return;
    for (const end of connection.ends) end.cut();
    while (!connection.ended) await tick();
  }

  async #kill(host: RealHost, losesPower: boolean): Promise<void> {
    if (host.engine === null) return;
    this.told.push(`${host.id} ${losesPower ? 'loses power' : 'is killed'}`);
    this.#count(losesPower ? 'power cuts' : 'kills');
    if (host === this.#leader) await this.#stopLeading();
    else await this.#disconnect();
    await host.stop(losesPower);
  }

  /** Its process ends in the middle of one of its next changes. */
  #dieSoon(host: RealHost): void {
    if (host.engine === null) return;
    const { activity } = host.engine.store;
    let left = this.random.below(6);
    const counted = <Args extends unknown[]>(call: (...args: Args) => void) => {
      return (...args: Args) => {
        if (left-- <= 0) {
          this.#died = host;
          throw new ProcessDied();
        }
        call(...args);
      };
    };
    activity.names = counted(activity.names.bind(activity));
    activity.file = counted(activity.file.bind(activity));
  }

  async #stopLeading(): Promise<void> {
    await this.#disconnect();
    this.#stream?.close();
    this.#stream = null;
    this.#leader?.engine?.stopLeading();
    this.#leader = null;
    this.#leading = null;
  }

  async #restart(): Promise<void> {
    const host = this.hosts.find(({ engine }) => engine === null);
    if (host === undefined) return;
    await host.start();
    const { log, replica } = host.up.store;
    this.told.push(
      `${host.id} starts (${host.up.start}) at ${log.position.epoch}/${log.position.sequence}, doubts ${JSON.stringify(replica.state, (_, v) => (typeof v === 'bigint' ? String(v) : v))}`,
    );
    this.#count(`started: ${host.up.start}`);
  }

  async #failOver(): Promise<void> {
    if (this.#leader !== null) return;
    const next = this.hosts.filter(({ engine }) => engine !== null);
    if (next.length > 0) await this.#promote(this.random.pick(next));
  }

  /** null: its process died in the middle. */
  async #lead(host: RealHost): Promise<Leading | null> {
    try {
      return await host.up.lead(this.#epoch, host.id);
    } catch (error) {
      if (!(error instanceof ProcessDied)) throw error;
      this.#count('died in a promotion');
      await this.#kill(host, false);
      return null;
    }
  }

  async #promote(host: RealHost): Promise<void> {
    this.#epoch += 1;
    this.checker.checkPromotion(host.asModel);
    this.told.push(`${host.id} leads ${this.#epoch}`);
    this.#count('promotions');
    const position = host.up.store.log.position;
    const record: LogRecord = { kind: 'leadership', epoch: this.#epoch, node: host.id, previous: position };
    this.checker.issued({ epoch: this.#epoch, sequence: position.sequence + 1 }, record, host.asModel);
    if (!host.up.store.replica.isComplete) {
      const suspect = host.up.store.replica.doubts();
      this.checker.issued({ epoch: this.#epoch, sequence: position.sequence + 2 }, suspect, host.asModel);
    }
    const leading = await this.#lead(host);
    if (leading === null) return;
    this.#leader = host;
    this.#leading = leading;
    this.#stream = new LiveStream(leading, this.random.pick([1500, 8000, 1_000_000]), () => {});
    this.#noteTree(host);
  }
}
