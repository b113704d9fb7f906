import type { NodeId } from '#contracts/identities.ts';
import { candidatesOf, noSuccessorCause } from '../core/leadership/candidates.ts';
import type { ClusterView } from '../core/records/records.ts';
import type { HealthFact } from '../runtime/ports.ts';

/** Clocks that are set from the network differ by some milliseconds. */
const clockLimitMs = 2000;

interface ClockStamp {
  readonly wallClockMs: number;
  /** That clock is ahead of ours by at least so much. */
  readonly aheadMs: number;
}

/**
 * What a host makes of the records of the others: a clock that is ahead of its own, and on the leader that nobody
 * could take over.
 *
 * A record says what its host's clock showed before it was written, and is read later: so a clock that it shows ahead
 * of the reader's is ahead by at least that, however long the record was under way. How far a clock is behind cannot
 * be told in this way, and need not be: the host that is behind sees the others ahead.
 */
export class ClusterFacts {
  readonly #self: NodeId;
  readonly #wallMs: () => number;
  readonly #stamps = new Map<NodeId, ClockStamp>();
  #hasSuccessor = true;

  constructor(self: NodeId, wallMs: () => number) {
    this.#self = self;
    this.#wallMs = wallMs;
  }

  onView(view: ClusterView): void {
    const nowMs = this.#wallMs();
    const others = view.nodes.filter(({ node }) => node !== this.#self);
    for (const node of this.#stamps.keys()) {
      if (!others.some((other) => other.node === node)) this.#stamps.delete(node);
    }
    for (const { node, wallClockMs } of others) {
      if (wallClockMs === undefined || this.#stamps.get(node)?.wallClockMs === wallClockMs) continue;
      this.#stamps.set(node, { wallClockMs, aheadMs: wallClockMs - nowMs });
    }
    const leadsHere = view.leader?.node === this.#self;
    this.#hasSuccessor =
      !leadsHere || candidatesOf(view, this.#self).some(({ reasons }) => reasons.length === 0);
  }

  get facts(): HealthFact[] {
    const clocks = [...this.#stamps].flatMap(([node, { aheadMs }]) => clockFact(node, aheadMs));
    return this.#hasSuccessor ? clocks : [...clocks, noSuccessorFact(this.#self)];
  }
}

function clockFact(node: NodeId, aheadMs: number): HealthFact[] {
  if (aheadMs < clockLimitMs) return [];
  // Whole seconds: a fact that changes is written to etcd.
  const detail = `the clock of ${node} is at least ${Math.floor(aheadMs / 1000)} s ahead of the clock of this host`;
  return [{ name: `clock of ${node}`, level: 'warn', code: 'CLOCK_DIFFERS', detail }];
}

function noSuccessorFact(leader: NodeId): HealthFact {
  const { code, sentence: detail } = noSuccessorCause(leader);
  return { name: 'successor', level: 'warn', code, detail };
}
