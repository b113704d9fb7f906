/** What one host has on its disk. */
interface Acknowledged {
  /** Everything up to here. */
  readonly sequence: number;
  /** And these. */
  readonly beyond: Set<number>;
  progressAtMs: number;
}

interface Waiting {
  readonly sequence: number;
  readonly sinceMs: number;
}

/**
 * Which changes may be acknowledged to clients (G3): pure bookkeeping of who is in sync and who has what. Sequences are
 * those of the log; what a host acknowledges it has flushed, and lacks nothing of: everything up to a sequence, or one
 * change by itself, which does not wait for larger ones before it (P3).
 *
 * A host counts from before it is asked to be added until after it is known to be removed, so at every instant the
 * set that is waited for contains the set that etcd holds (G5).
 */
export interface AcknowledgementRules {
  /** This host, which is always in the set and never waited for. */
  readonly self: string;
  /** Whether acknowledgements wait for the others at all. */
  readonly waits: boolean;
  /** Refuse rather than acknowledge when no other host is in sync. */
  readonly strict: boolean;
}

export class Acknowledgements {
  readonly #rules: AcknowledgementRules;
  /** As etcd is known to have it, without this host. */
  #members = new Set<string>();
  /** What etcd holds, by the last word of it: a member that took itself out is waited for, and may join again. */
  #recorded = new Set<string>();
  /** With what clients had been told of when it began to count. */
  readonly #joining = new Map<string, number>();
  readonly #acknowledged = new Map<string, Acknowledged>();
  /** The last one that clients wait for. */
  #received = 0;
  #durable = 0;
  /** The last one that a client may have been told of. */
  #promised: number;
  /** Those that clients wait for and that not everybody has, oldest first. */
  #waiting: Waiting[] = [];

  /** @param promised the end of the log when the leadership began: clients may have been told of all of it */
  constructor(rules: AcknowledgementRules, inSync: readonly string[], promised = 0) {
    this.#rules = rules;
    this.#promised = promised;
    this.setMembers(inSync);
  }

  get members(): readonly string[] {
    return [...this.#members];
  }

  /** Whether etcd holds it, by the last word of it. */
  isRecorded(nodeId: string): boolean {
    return this.#recorded.has(nodeId);
  }

  /**
   * What etcd holds now. The leader never leaves the set: one without it was lost in etcd, not changed, and nobody stops
   * counting.
   */
  setMembers(inSync: readonly string[]): void {
    const { self } = this.#rules;
    this.#recorded = new Set(inSync);
    const members = inSync.includes(self) ? inSync : [...this.#members, ...inSync];
    this.#members = new Set(members.filter((nodeId) => nodeId !== self));
    this.#advance();
  }

  /**
   * From now on acknowledgements wait for it as if it were a member. What was acknowledged before did not: it has that once
   * it `hasPromised`.
   */
  beginJoining(nodeId: string): void {
    this.#joining.set(nodeId, this.#promised);
  }

  /** Whether a joiner has all that clients were told of before it began to count. */
  hasPromised(nodeId: string): boolean {
    const promised = this.#joining.get(nodeId);
    return promised !== undefined && (this.#acknowledged.get(nodeId)?.sequence ?? 0) >= promised;
  }

  endJoining(nodeId: string): void {
    this.#joining.delete(nodeId);
    this.#advance();
  }

  /** It has not got any more what it acknowledged: what it says from now on counts. */
  forget(nodeId: string): void {
    this.#acknowledged.delete(nodeId);
  }

  /** Clients wait for everything up to here. */
  received(sequence: number, atMs: number): void {
    this.#received = sequence;
    this.#waiting.push({ sequence, sinceMs: atMs });
    this.#advance();
  }

  /** It has everything up to there. */
  acknowledge(nodeId: string, sequence: number, atMs: number): void {
    const before = this.#acknowledged.get(nodeId);
    if (before !== undefined && before.sequence >= sequence) return;
    const beyond = new Set([...(before?.beyond ?? [])].filter((one) => one > sequence));
    this.#acknowledged.set(nodeId, { sequence, beyond, progressAtMs: atMs });
    this.#advance();
  }

  /** It has this change. */
  acknowledgeOne(nodeId: string, sequence: number, atMs: number): void {
    const held = this.#acknowledged.get(nodeId) ?? { sequence: -1, beyond: new Set(), progressAtMs: atMs };
    this.#acknowledged.set(nodeId, held);
    if (has(held, sequence)) return;
    held.beyond.add(sequence);
    held.progressAtMs = atMs;
    this.#advance();
  }

  /** The last change that it said it has: its log reaches there. */
  acknowledgedBy(nodeId: string): number {
    const held = this.#acknowledged.get(nodeId);
    let last = Math.max(0, held?.sequence ?? 0);
    for (const one of held?.beyond ?? []) last = Math.max(last, one);
    return last;
  }

  /** It has everything up to here; -1: that is not known of anything. */
  flushedBy(nodeId: string): number {
    return this.#acknowledged.get(nodeId)?.sequence ?? -1;
  }

  /** Whether a change that clients wait for is on the disk of everybody who counts. */
  isDurable(sequence: number): boolean {
    return this.durability()(sequence);
  }

  /** The same of many changes, as of now. */
  durability(): (sequence: number) => boolean {
    const { refuses } = this;
    const durable = this.#durable;
    const isEverywhere = this.#everywhere();
    return (sequence) => sequence <= durable || (!refuses && isEverywhere(sequence));
  }

  /** Everything up to here is on the disk of everybody who counts. Never goes back. */
  get durable(): number {
    return this.#durable;
  }

  /** Whether mutations have to be refused. */
  get refuses(): boolean {
    return this.#rules.strict && this.#rules.waits && this.#members.size === 0;
  }

  /**
   * The members and joiners that something has waited for without any progress of theirs since `atMs - timeoutMs`. With a
   * timeout of 0: all that something waits for.
   */
  overdue(atMs: number, timeoutMs: number): string[] {
    return this.counted.filter((nodeId) => {
      const waitedMs = this.waitedMs(nodeId, atMs);
      return waitedMs !== null && waitedMs >= timeoutMs;
    });
  }

  /** For how long something has waited for a host without any progress of that host; null: nothing waits for it. */
  waitedMs(nodeId: string, atMs: number): number | null {
    const held = this.#acknowledged.get(nodeId);
    const oldest = this.#waiting.find(({ sequence }) => !has(held, sequence));
    return oldest === undefined ? null : atMs - Math.max(oldest.sinceMs, held?.progressAtMs ?? 0);
  }

  #advance(): void {
    this.#durable = Math.max(this.#durable, this.#reached());
    this.#promised = Math.max(this.#promised, this.#durable);
    // Who is refused for want of members waits for those that come.
    if (this.refuses) return;
    const isEverywhere = this.#everywhere();
    const waiting: Waiting[] = [];
    for (const waiter of this.#waiting) {
      if (!isEverywhere(waiter.sequence)) waiting.push(waiter);
      else this.#promised = Math.max(this.#promised, waiter.sequence);
    }
    this.#waiting = waiting;
  }

  #reached(): number {
    if (!this.#rules.waits) return this.#received;
    return this.refuses ? 0 : this.#reachedByAll();
  }

  /** Those whose disks are waited for. */
  get counted(): string[] {
    return [...new Set([...this.#members, ...this.#joining.keys()])];
  }

  /** Whether everybody who counts now has a change that clients wait for. */
  #everywhere(): (sequence: number) => boolean {
    const received = this.#received;
    const awaited = this.#rules.waits ? this.counted.map((nodeId) => this.#acknowledged.get(nodeId)) : [];
    return (sequence) => sequence <= received && awaited.every((held) => has(held, sequence));
  }

  #reachedByAll(): number {
    let reached = this.#received;
    for (const nodeId of this.counted) reached = Math.min(reached, this.flushedBy(nodeId));
    return reached;
  }
}

function has(held: Acknowledged | undefined, sequence: number): boolean {
  return held !== undefined && (sequence <= held.sequence || held.beyond.has(sequence));
}
