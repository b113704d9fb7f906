import type { EpochStart } from '../../../replicator/core/position.ts';
import type { LogRecord } from '../../../replicator/core/record.ts';
import { Random } from '../timeline.ts';
import { Checker } from './checker.ts';
import { type Connection, newConnection, type ToFollower, type ToLeader } from './connection.ts';
import { EngineHost, ProcessDied } from './host.ts';
import { describe, describeFrame } from './paths.ts';
import type { Rules } from './rules.ts';
import { ClientWork } from './work.ts';

/** Three hosts' engines on their disks, what is under way between them, and the in-sync set as etcd has it. */
export class EngineWorld {
  readonly random: Random;
  readonly hosts: readonly EngineHost[];
  readonly checker: Checker;
  readonly story: string[] = [];
  readonly #rules: Rules;
  readonly #work: ClientWork;
  #leader: EngineHost | null = null;
  #epoch = 0;
  #inSync: Set<string>;
  #connections: Connection[] = [];
  /** By followers: what each was seen to have flushed in this leadership. */
  #flushed = new Map<string, number>();
  #heals = false;
  /** How much goes wrong in this story. */
  readonly #misfortune: number;
  readonly #counts: Record<string, number> = {};

  constructor(seed: number, rules: Rules) {
    this.random = new Random(seed);
    this.#rules = rules;
    this.#misfortune = this.random.pick([0.15, 0.5, 1]);
    this.hosts = ['a', 'b', 'c'].map((id) => new EngineHost(id, rules));
    this.#inSync = new Set(this.hosts.map(({ id }) => id));
    this.#work = new ClientWork(this.random);
    this.checker = new Checker();
    this.#promote(this.hosts[0] as EngineHost);
  }

  /** One step of anything. */
  step(): void {
    const weights: [number, () => void][] = [
      [30, () => this.#clientChange()],
      [60, () => this.#deliverDown()],
      [25, () => this.#deliverUp()],
      [20, () => this.#ask()],
      [15, () => this.#read()],
      [20, () => this.#flush()],
      [8, () => this.#checkpoint()],
      [10, () => this.#connect()],
      ...(this.#heals
        ? []
        : ([
            [3 * this.#misfortune, () => this.#disconnect()],
            [2 * this.#misfortune, () => this.#crash()],
            [1.5 * this.#misfortune, () => this.#powerCut()],
            [1 * this.#misfortune, () => this.#switchOver()],
            [1 * this.#misfortune, () => this.#dropMember()],
            [0.3 * this.#misfortune, () => this.#trimLog()],
          ] satisfies [number, () => void][])),
      [8, () => this.#restart()],
      [8, () => this.#failOver()],
    ];
    let at = this.random.between(
      0,
      weights.reduce((sum, [weight]) => sum + weight, 0),
    );
    for (const [weight, run] of weights) {
      at -= weight;
      if (at < 0) {
        run();
        break;
      }
    }
    this.#acknowledge();
    for (const host of this.hosts) if (host.isUp) this.checker.checkHost(host);
  }

  /** No faults from now on, and no changes: everybody gets to the same tree. */
  heal(): void {
    this.#heals = true;
  }

  get isQuiet(): boolean {
    const leader = this.#leader;
    if (leader === null || !leader.isUp) return false;
    return this.hosts.every(
      (host) =>
        host === leader ||
        (host.isUp &&
          host.replica.isComplete &&
          host.last.sequence === leader.last.sequence &&
          host.last.epoch === leader.last.epoch &&
          this.#inSync.has(host.id)),
    );
  }

  checkEqual(): void {
    if (this.#leader !== null) this.checker.checkEqual(this.#leader, this.hosts);
  }

  /** What happened how often. */
  get counts(): Record<string, number> {
    const { acknowledged, promotions } = this.checker;
    return { ...this.#counts, 'records acknowledged': acknowledged.sequence, promotions };
  }

  #count(what: string): void {
    this.#counts[what] = (this.#counts[what] ?? 0) + 1;
  }

  #tell(what: string): void {
    this.story.push(what);
  }

  #clientChange(): void {
    const leader = this.#leader;
    if (leader === null || this.#heals) return;
    const next = this.#work.next(leader);
    if (next === null) return;
    if (this.random.chance(0.01)) leader.changesToDeath = this.random.below(4);
    this.#perform(leader, next.record, next.data);
  }

  #perform(leader: EngineHost, record: LogRecord, data: Uint8Array | null): void {
    const position = { epoch: this.#epoch, sequence: leader.last.sequence + 1 };
    this.#tell(`${leader.id} ${position.epoch}/${position.sequence} ${describe(record)}`);
    this.checker.issued(position, record, leader);
    try {
      leader.consume(position, record, data, () => {
        for (const connection of this.#connections) {
          const isInWindow = data !== null && !this.random.chance(0.2);
          connection.down.push({ kind: 'record', position, record, data: isInWindow ? data : null });
        }
      });
      // A new leader's tree counts from its record of what it doubts on.
      if (leader.replica.isComplete || record.kind === 'suspect') this.checker.applied(position, leader);
      this.checker.checkMeaning(record, data, leader);
    } catch (error) {
      this.#died(leader, error);
    }
  }

  #died(host: EngineHost, error: unknown): void {
    if (!(error instanceof ProcessDied)) throw error;
    this.#tell(`${host.id} dies in the middle of a change`);
    this.#end(host);
    host.crash();
  }

  #deliverDown(): void {
    const connection = this.#pick(this.#connections.filter(({ down }) => down.length > 0));
    if (connection === undefined) return;
    const { down } = connection;
    const overtakes = this.#rules.has('order')
      ? down.findIndex(({ kind }) => kind === 'content' || kind === 'digest')
      : -1;
    const frame = overtakes > 0 ? down.splice(overtakes, 1)[0] : down.shift();
    const follower = this.#host(connection.follower);
    if (this.random.chance(0.005)) follower.changesToDeath = this.random.below(4);
    try {
      if (frame !== undefined) this.#receive(connection, follower, frame);
    } catch (error) {
      this.#died(follower, error);
    }
  }

  #receive(connection: Connection, follower: EngineHost, frame: ToFollower): void {
    switch (frame.kind) {
      case 'record':
        follower.consume(frame.position, frame.record, frame.data);
        break;
      case 'name':
        follower.onName(frame.path, frame.answer);
        break;
      case 'entries':
        follower.onEntries(frame.path, frame.page);
        break;
      case 'opened': {
        const inode = follower.replica.onOpened(frame.path);
        const at = this.#rules.has('R4') ? Number.MAX_SAFE_INTEGER : follower.last.sequence;
        if (inode !== null) connection.opened.set(frame.id, { inode, at });
        break;
      }
      case 'content':
      case 'digest': {
        const file = connection.opened.get(frame.id);
        if (file === undefined) break;
        if (frame.kind === 'digest') follower.onDigest(file.inode, file.at, frame.offset, frame.data);
        else follower.onContent(file.inode, file.at, frame.offset, frame.data);
        break;
      }
    }
    this.#tell(`${follower.id} ${follower.last.sequence} takes ${describeFrame(frame)}`);
  }

  #deliverUp(): void {
    const connection = this.#pick(this.#connections.filter(({ up }) => up.length > 0));
    const message = connection?.up.shift();
    const leader = this.#leader;
    if (connection === undefined || message === undefined || leader === null) return;
    this.#answer(connection, leader, message);
  }

  #answer(connection: Connection, leader: EngineHost, message: ToLeader): void {
    if (message.kind === 'flushed') {
      if (leader.log.epochAt(message.position.sequence) !== message.position.epoch) return;
      this.#flushed.set(connection.follower, message.position.sequence);
      if (message.position.sequence >= this.checker.acknowledged.sequence)
        this.#inSync.add(connection.follower);
      return;
    }
    const { want } = message;
    if (want.kind === 'name')
      connection.down.push({ kind: 'name', path: want.path, answer: leader.answerName(want.path) });
    else if (want.kind === 'entries')
      connection.down.push({
        kind: 'entries',
        path: want.path,
        page: leader.answerEntries(want.path, want.after, 1 + this.random.below(3)),
      });
    else {
      const found = leader.disk.find(want.path);
      if (found?.kind !== 'file') return;
      const id = ++connection.requests;
      connection.down.push({ kind: 'opened', id, path: want.path });
      connection.reads.push({
        kind: want.kind,
        id,
        inode: found.inode,
        from: want.from,
        to: want.to,
        data: null,
      });
    }
  }

  #ask(): void {
    const connection = this.#pick(this.#connections);
    if (connection === undefined) return;
    const wants = [...this.#host(connection.follower).replica.wants()];
    if (wants.length > 0) connection.up.push({ kind: 'want', want: this.random.pick(wants) });
  }

  #read(): void {
    const connection = this.#pick(this.#connections.filter(({ reads }) => reads.length > 0));
    const leader = this.#leader;
    if (connection === undefined || leader === null) return;
    const at = this.random.below(connection.reads.length);
    const [read] = connection.reads.splice(at, 1);
    if (read === undefined) return;
    if (read.data === null) {
      // What is read may be older than the records that are issued before the read has ended.
      const to = Math.min(read.to, read.from + 1 + this.random.below(4));
      connection.reads.push({ ...read, data: leader.disk.read(read.inode, read.from, to) });
      return;
    }
    connection.down.push({ kind: read.kind, id: read.id, offset: read.from, data: read.data });
    const from = read.from + read.data.length;
    if (read.data.length > 0 && from < read.to) connection.reads.push({ ...read, from, data: null });
  }

  #flush(): void {
    const host = this.#pick(this.hosts.filter(({ isUp }) => isUp));
    if (host === undefined) return;
    if (!host.isFlushing) {
      if (!host.isCheckpointing) host.beginFlush();
      return;
    }
    if (!host.endFlush()) return;
    this.checker.flushed(host);
    const connection = this.#connections.find(({ follower }) => follower === host.id);
    if (connection !== undefined && host.flushedComplete.sequence > 0)
      connection.up.push({ kind: 'flushed', position: host.flushedComplete });
  }

  #checkpoint(): void {
    const host = this.#pick(this.hosts.filter(({ isUp }) => isUp));
    if (host?.isCheckpointing) host.endCheckpoint();
    else host?.beginCheckpoint();
  }

  #connect(): void {
    const leader = this.#leader;
    const host = this.#pick(
      this.hosts.filter(
        ({ id, isUp }) =>
          isUp && id !== leader?.id && !this.#connections.some(({ follower }) => follower === id),
      ),
    );
    if (leader === null || host === undefined) return;
    const common = this.#rules.has('F2')
      ? Math.min(leader.last.sequence, host.last.sequence)
      : commonSequence(leader, host);
    if (common < leader.log.base.sequence || host.log.epochAt(common) === undefined) {
      this.#count('full comparisons');
      host.beginAnew(leader.last, leader.log.table);
    } else host.cutTo(common);
    const connection = newConnection(host.id);
    for (const { position, record } of leader.log.after(host.last.sequence))
      connection.down.push({ kind: 'record', position, record, data: null });
    this.#connections.push(connection);
    this.#tell(`${host.id} connects to ${leader.id}, common point ${common}`);
  }

  #disconnect(): void {
    const connection = this.#pick(this.#connections);
    if (connection !== undefined) this.#break(connection.follower);
  }

  #break(id: string): void {
    this.#connections = this.#connections.filter(({ follower }) => follower !== id);
    this.#flushed.delete(id);
  }

  #crash(): void {
    const host = this.#pick(this.hosts.filter(({ isUp }) => isUp));
    if (host === undefined) return;
    this.#tell(`${host.id}: kill -9`);
    this.#count('processes killed');
    this.#end(host);
    host.crash();
  }

  #powerCut(): void {
    const host = this.#pick(this.hosts);
    if (host === undefined) return;
    this.#tell(`${host.id}: power cut`);
    this.#count('power cuts');
    this.#end(host);
    host.powerCut(this.random);
  }

  /** It has no part any more in what goes on. */
  #end(host: EngineHost): void {
    if (this.#leader === host) this.#noLeader();
    else this.#break(host.id);
  }

  #noLeader(): void {
    this.#leader = null;
    this.#connections = [];
    this.#flushed.clear();
  }

  #restart(): void {
    const host = this.#pick(this.hosts.filter(({ isUp }) => !isUp));
    if (host === undefined) return;
    host.restart();
    this.#tell(`${host.id} starts at ${host.last.epoch}/${host.last.sequence}`);
  }

  #switchOver(): void {
    if (this.#leader === null) return;
    this.#tell(`${this.#leader.id} leads no more`);
    this.#noLeader();
  }

  #failOver(): void {
    if (this.#leader !== null) return;
    const next = this.#pick(this.hosts.filter(({ id, isUp }) => isUp && this.#inSync.has(id)));
    if (next !== undefined) this.#promote(next);
  }

  #promote(host: EngineHost): void {
    this.#epoch += 1;
    this.checker.checkPromotion(host);
    this.#leader = host;
    this.#inSync.add(host.id);
    this.#tell(`${host.id} leads epoch ${this.#epoch} from ${host.last.epoch}/${host.last.sequence}`);
    this.#perform(host, { kind: 'leadership', epoch: this.#epoch, node: host.id, previous: host.last }, null);
    if (this.#leader !== host) return;
    if (host.replica.isComplete) return;
    const doubts = host.replica.doubts();
    if (!this.#rules.has('F1')) this.#perform(host, doubts, null);
    if (this.#leader === host) host.trustAll();
  }

  #dropMember(): void {
    const leader = this.#leader;
    const member = this.#pick([...this.#inSync].filter((id) => id !== leader?.id));
    if (leader === null || member === undefined) return;
    this.#tell(`${member} is dropped from the in-sync set`);
    this.#inSync.delete(member);
  }

  #trimLog(): void {
    const host = this.#pick(this.hosts.filter(({ isUp }) => isUp));
    if (host === undefined || host.isCheckpointing || host.isFlushing) return;
    host.trimLog();
  }

  /** What everybody who counts has flushed may be acknowledged to clients (G3). */
  #acknowledge(): void {
    const leader = this.#leader;
    if (leader === null || leader.flushedComplete.epoch !== this.#epoch) return;
    let reached = leader.flushedComplete.sequence;
    for (const id of this.#inSync)
      if (id !== leader.id) reached = Math.min(reached, this.#flushed.get(id) ?? 0);
    const epoch = leader.log.epochAt(reached);
    if (epoch !== undefined) this.checker.acknowledge({ epoch, sequence: reached });
  }

  #host(id: string): EngineHost {
    const host = this.hosts.find((candidate) => candidate.id === id);
    if (host === undefined) throw new Error(`no host ${id}`);
    return host;
  }

  #pick<T>(items: readonly T[]): T | undefined {
    return items.length === 0 ? undefined : this.random.pick(items);
  }
}

/** KIP-101: the end of the last epoch that both have, on the one where it ends earlier. */
function commonSequence(leader: EngineHost, follower: EngineHost): number {
  const end = (host: EngineHost, table: readonly EpochStart[], index: number) =>
    (table[index + 1]?.first ?? host.last.sequence + 1) - 1;
  const [mine, theirs] = [leader.log.table, follower.log.table];
  for (let index = theirs.length - 1; index >= 0; index--) {
    const same = mine.findIndex(
      ({ epoch, first }) => epoch === theirs[index]?.epoch && first === theirs[index]?.first,
    );
    if (same >= 0) return Math.min(end(leader, mine, same), end(follower, theirs, index));
  }
  return 0;
}
