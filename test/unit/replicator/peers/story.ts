import { setImmediate as tick } from 'node:timers/promises';
import type { LogRecord } from '../../../../replicator/core/record.ts';
import { FollowingSession } from '../../../../replicator/peers/following-session.ts';
import { LiveStream } from '../../../../replicator/peers/live-stream.ts';
import type { Flushed } from '../../../../replicator/peers/ports.ts';
import { ServingSession } from '../../../../replicator/peers/serving-session.ts';
import { Broken, Checker } from '../../../sim/engine/checker.ts';
import { ClientWork } from '../../../sim/engine/work.ts';
import { Random } from '../../../sim/timeline.ts';
import { type MemoryEnd, memoryLink } from './memory-link.ts';
import { ModelEngine } from './model-engine.ts';

interface Connection {
  readonly follower: ModelEngine;
  readonly ends: readonly [leader: MemoryEnd, follower: MemoryEnd];
  readonly serving: ServingSession;
  readonly following: FollowingSession;
}

const steps = 500;
const stepsToQuiet = 20_000;

/**
 * Three hosts of the model with the real sessions between them: random work, cuts, crashes, power cuts and switchovers.
 * The model's checker looks at each host after each step.
 */
export class PeerStory {
  readonly random: Random;
  readonly engines: readonly ModelEngine[];
  readonly checker = new Checker();
  /** Why connections ended, apart from cuts. */
  readonly endings: string[] = [];
  readonly #work: ClientWork;
  readonly #windowBytes: number;
  readonly #highWater: number;
  #leader: ModelEngine | null = null;
  #stream: LiveStream | null = null;
  #epoch = 0;
  readonly #inSync: Set<string>;
  readonly #flushed = new Map<string, number>();
  #connections: Connection[] = [];
  /** Sessions that still touch their engine. */
  readonly #busy = new Set<ModelEngine>();
  #heals = false;
  #defect: unknown = null;

  constructor(seed: number) {
    this.random = new Random(seed);
    this.#windowBytes = this.random.pick([1500, 8000, 1_000_000]);
    this.#highWater = this.random.pick([60, 400, 4000]);
    this.engines = ['a', 'b', 'c'].map((id) => new ModelEngine(id, this.random));
    this.#inSync = new Set(this.engines.map(({ host }) => host.id));
    this.#work = new ClientWork(this.random);
    for (const engine of this.engines) {
      engine.onFlushed = (flushed) => {
        if (flushed.complete) this.checker.flushed(engine.host);
      };
    }
    this.#promote(this.engines[0] as ModelEngine);
  }

  async run(): Promise<void> {
    for (let step = 0; step < steps; step++) await this.step();
    this.#heals = true;
    for (let step = 0; !this.isQuiet; step++) {
      if (step > stepsToQuiet) throw new Broken(`no rest: ${this.endings.slice(-3).join('; ')}`);
      await this.step();
    }
    const leader = this.#leader;
    if (leader === null) throw new Broken('nobody leads');
    this.checker.checkEqual(
      leader.host,
      this.engines.map(({ host }) => host),
    );
    await this.#close();
  }

  /** Nothing stays open behind connections. */
  async #close(): Promise<void> {
    this.#stopLeading();
    while (this.engines.some(({ slow }) => slow.length > 0)) {
      for (const { slow } of this.engines) slow.shift()?.run();
      await tick();
    }
    const open = this.engines.filter(({ openFiles }) => openFiles !== 0).map(({ host }) => host.id);
    if (open.length > 0) throw new Broken(`${open} left files open`);
  }

  get isQuiet(): boolean {
    const leader = this.#leader;
    return (
      leader !== null &&
      this.engines.every(
        (engine) =>
          engine === leader ||
          (engine.host.isUp &&
            engine.host.replica.isComplete &&
            engine.position.sequence === leader.position.sequence &&
            engine.position.epoch === leader.position.epoch &&
            this.#inSync.has(engine.host.id)),
      )
    );
  }

  async step(): Promise<void> {
    const faults: [number, () => void][] = [
      [2, () => this.#cut()],
      [1, () => this.#end(this.#pick(this.engines), (engine) => engine.crash())],
      [0.7, () => this.#end(this.#pick(this.engines), (engine) => engine.powerCut())],
      [0.7, () => this.#stopLeading()],
      [0.5, () => this.#dropMember()],
      [0.2, () => this.#trimLog()],
    ];
    const weights: [number, () => void][] = [
      [25, () => this.#clientChange()],
      [70, () => this.#deliver()],
      [
        50,
        () =>
          this.#pick(this.engines.filter(({ slow }) => slow.length > 0))
            ?.slow.shift()
            ?.run(),
      ],
      [6, () => this.#barrier()],
      [6, () => this.#flushLeader()],
      [8, () => this.#connect()],
      [8, () => this.#pick(this.engines.filter(({ host }) => !host.isUp))?.restart()],
      [8, () => this.#failOver()],
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
    picked?.[1]();
    await tick();
    await tick();
    if (this.#defect !== null) throw this.#defect;
    this.#acknowledge();
    for (const { host } of this.engines) if (host.isUp) this.checker.checkHost(host);
  }

  #clientChange(): void {
    const leader = this.#leader;
    if (leader === null || this.#heals || this.#stream?.isFull) return;
    const records: LogRecord[] = [];
    const data: (Buffer | null)[] = [];
    for (let count = 1 + this.random.below(3); count > 0; count--) {
      const next = this.#work.next(leader.host);
      if (next === null) continue;
      this.#apply(leader, next.record, next.data);
      records.push(next.record);
      if (next.record.kind === 'write') {
        const bytes = next.data === null || this.random.chance(0.1) ? null : Buffer.from(next.data);
        data.push(bytes);
      }
    }
    if (records.length > 0) leader.ordered(this.#epoch, records, data);
  }

  #apply(leader: ModelEngine, record: LogRecord, data: Uint8Array | null): void {
    const position = { epoch: this.#epoch, sequence: leader.position.sequence + 1 };
    this.checker.issued(position, record, leader.host);
    leader.host.consume(position, record, data);
    if (leader.host.replica.isComplete || record.kind === 'suspect') {
      this.checker.applied(position, leader.host);
    }
  }

  #deliver(): void {
    const ends = this.#connections.flatMap(({ ends }) => ends).filter((end) => end.hasSomething);
    this.#pick(ends)?.deliver();
  }

  #barrier(): void {
    const leader = this.#leader;
    const connection = this.#pick(this.#connections);
    if (leader === null) return;
    if (this.random.chance(0.5)) connection?.serving.flush(leader.position.sequence);
    else connection?.serving.barrier(leader.position.sequence);
  }

  #flushLeader(): void {
    const leader = this.#leader;
    if (leader === null || leader.host.isFlushing) return;
    leader.flush().catch(() => {});
  }

  #connect(): void {
    const leader = this.#leader;
    const stream = this.#stream;
    const follower = this.#pick(
      this.engines.filter((engine) => engine.host.isUp && engine !== leader && !this.#busy.has(engine)),
    );
    if (leader === null || stream === null || follower === undefined) return;
    const ends = memoryLink(this.#highWater);
    const nodeId = follower.host.id;
    const serving = new ServingSession(ends[0], {
      nodeId,
      cluster: 'test',
      port: leader,
      stream,
      replicatesFiles: true,
      reads: { content: 2, digest: 3, bytesPerSecond: Number.POSITIVE_INFINITY },
      now: () => 0,
      onJoined: () => {},
      onReceived: () => {},
      onFlushed: (session, flushed) => this.#onFlushed(session, flushed),
      onPassed: () => {},
      onChanged: (session) => session.setMember(this.#inSync.has(nodeId)),
      onHigherEpoch: () => {},
    });
    const following = new FollowingSession(ends[1], {
      port: follower,
      cluster: 'test',
      nodeId,
      leader: leader.host.id,
      epoch: this.#epoch,
      highestEpoch: this.#epoch,
      onConfig: () => {},
      onChanged: () => {},
    });
    const connection = { follower, ends, serving, following };
    this.#busy.add(follower);
    this.#connections.push(connection);
    following.run().then(
      (reason) => {
        this.#busy.delete(follower);
        this.#forget(connection);
        const { message } = reason;
        this.endings.push(message);
        if (!expectedEnding.test(message)) this.#defect ??= new Error(`ended: ${message}`, { cause: reason });
      },
      (error: unknown) => {
        this.#defect ??= error;
      },
    );
  }

  #onFlushed(session: ServingSession, { position, complete }: Flushed): void {
    if (!complete || !this.#connections.some(({ serving }) => serving === session)) return;
    this.#flushed.set(session.nodeId, position.sequence);
    if (position.sequence >= this.checker.acknowledged.sequence) this.#inSync.add(session.nodeId);
  }

  #acknowledge(): void {
    const leader = this.#leader;
    if (leader === null || leader.host.flushedComplete.epoch !== this.#epoch) return;
    let reached = leader.host.flushedComplete.sequence;
    for (const id of this.#inSync) {
      if (id !== leader.host.id) reached = Math.min(reached, this.#flushed.get(id) ?? 0);
    }
    const epoch = leader.host.log.epochAt(reached);
    if (epoch !== undefined) this.checker.acknowledge({ epoch, sequence: reached });
  }

  #cut(): void {
    const connection = this.#pick(this.#connections);
    if (connection === undefined) return;
    connection.ends[0].cut();
    this.#forget(connection);
  }

  #forget(connection: Connection): void {
    if (!this.#connections.includes(connection)) return;
    this.#connections = this.#connections.filter((other) => other !== connection);
    this.#flushed.delete(connection.follower.host.id);
  }

  #end(engine: ModelEngine | undefined, how: (engine: ModelEngine) => void): void {
    if (engine === undefined) return;
    if (engine === this.#leader) this.#stopLeading();
    for (const connection of this.#connections.filter(({ follower }) => follower === engine)) {
      connection.ends[0].cut();
      this.#forget(connection);
    }
    how(engine);
  }

  #stopLeading(): void {
    this.#leader?.stopLeading();
    this.#stream?.close();
    this.#leader = null;
    this.#stream = null;
    for (const connection of this.#connections) {
      connection.ends[0].cut();
      this.#forget(connection);
    }
  }

  #failOver(): void {
    if (this.#leader !== null) return;
    const next = this.#pick(
      this.engines.filter(
        (engine) => engine.host.isUp && this.#inSync.has(engine.host.id) && !this.#busy.has(engine),
      ),
    );
    if (next !== undefined) this.#promote(next);
  }

  #promote(engine: ModelEngine): void {
    this.#epoch += 1;
    const { host } = engine;
    this.checker.checkPromotion(host);
    engine.epoch = this.#epoch;
    this.#leader = engine;
    this.#inSync.add(host.id);
    const record = { kind: 'leadership', epoch: this.#epoch, node: host.id, previous: host.last } as const;
    this.#apply(engine, record, null);
    engine.ordered(this.#epoch, [record], []);
    if (!host.replica.isComplete) {
      const doubts = host.replica.doubts();
      this.#apply(engine, doubts, null);
      engine.ordered(this.#epoch, [doubts], []);
      host.trustAll();
    }
    this.#stream = new LiveStream(engine, this.#windowBytes, () => {});
  }

  #dropMember(): void {
    const member = this.#pick([...this.#inSync].filter((id) => id !== this.#leader?.host.id));
    if (this.#leader !== null && member !== undefined) this.#inSync.delete(member);
  }

  #trimLog(): void {
    const engine = this.#pick(this.engines.filter(({ host, slow }) => host.isUp && slow.length === 0));
    if (engine !== undefined && !engine.host.isFlushing) engine.trimLog();
  }

  #pick<T>(items: readonly T[]): T | undefined {
    return items.length === 0 ? undefined : this.random.pick(items);
  }
}

/** What the story does to connections; anything else is a defect of the protocol. */
const expectedEnding =
  /^(cut|the peer ended the connection|the process died|.*the log does not reach back|.*log has nothing up to record \d+)$/;
