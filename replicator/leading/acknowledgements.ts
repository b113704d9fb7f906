/**
 * Which changes may be acknowledged to clients (G3): pure bookkeeping of who is in sync and who has what. Sequences are
 * those of the log; what a host acknowledges it has flushed, and lacks nothing of.
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
  readonly #joining = new Set<string>();
  readonly #acknowledged = new Map<string, { sequence: number; progressAtMs: number }>();
  /** The last one that clients wait for. */
  #received = 0;
  #durable = 0;
  /** Those that clients wait for, oldest first. */
  #waiting: { sequence: number; sinceMs: number }[] = [];

  constructor(rules: AcknowledgementRules, inSync: readonly string[]) {
    this.#rules = rules;
    this.setMembers(inSync);
  }

  get members(): readonly string[] {
    return [...this.#members];
  }

  /** Whether etcd holds it, by the last word of it. */
  isRecorded(nodeId: string): boolean {
    return this.#recorded.has(nodeId);
  }

  /** What etcd holds now. */
  setMembers(inSync: readonly string[]): void {
    this.#recorded = new Set(inSync);
    this.#members = new Set(inSync.filter((nodeId) => nodeId !== this.#rules.self));
    this.#advance();
  }

  /** What etcd may hold too: nobody stops counting. */
  addMembers(inSync: readonly string[]): void {
    this.setMembers([...this.#members, ...inSync]);
    this.#recorded = new Set(inSync);
  }

  /** From now on acknowledgements wait for it as if it were a member. */
  beginJoining(nodeId: string): void {
    this.#joining.add(nodeId);
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

  acknowledge(nodeId: string, sequence: number, atMs: number): void {
    const before = this.#acknowledged.get(nodeId);
    if (before !== undefined && before.sequence >= sequence) return;
    this.#acknowledged.set(nodeId, { sequence, progressAtMs: atMs });
    this.#advance();
  }

  acknowledgedBy(nodeId: string): number {
    return this.#acknowledged.get(nodeId)?.sequence ?? 0;
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
      const held = this.#acknowledged.get(nodeId);
      const oldest = this.#waiting.find(({ sequence }) => sequence > (held?.sequence ?? -1));
      if (oldest === undefined) return false;
      return atMs - Math.max(oldest.sinceMs, held?.progressAtMs ?? 0) >= timeoutMs;
    });
  }

  #advance(): void {
    this.#durable = Math.max(this.#durable, this.#reached());
    const done = this.#waiting.findIndex(({ sequence }) => sequence > this.#reachedByAll());
    if (done !== 0) this.#waiting.splice(0, done === -1 ? this.#waiting.length : done);
  }

  #reached(): number {
    if (!this.#rules.waits) return this.#received;
    return this.refuses ? 0 : this.#reachedByAll();
  }

  /** Those whose disks are waited for. */
  get counted(): string[] {
    return [...new Set([...this.#members, ...this.#joining])];
  }

  #reachedByAll(): number {
    let reached = this.#received;
    for (const nodeId of this.counted) {
      reached = Math.min(reached, this.#acknowledged.get(nodeId)?.sequence ?? -1);
    }
    return reached;
  }
}
