import type { Epoch, NodeId } from '#contracts/identities.ts';
import { type RoleState, servedEpoch } from '../core/leadership/state.ts';
import type { Departure } from '../core/records/history.ts';
import type { Leader } from '../core/records/records.ts';

/** A leadership under which clients were served. */
export interface Served {
  readonly node: NodeId;
  readonly epoch: Epoch;
}

/** Since when nobody serves, in boot time: no earlier and no later than this. */
export interface Gap {
  readonly after: Served;
  readonly earliestMs: number;
  /** When the host that served was last known to, by what was read of it. */
  readonly seenServingMs: number;
  readonly latestMs: number;
  /** The first leader after it, whether or not it came to serve; null: none was seen. */
  readonly successor: Leader | null;
  /** Why the leadership that served was given up, by its own word; null: it left none that was seen. */
  readonly departure: Departure | null;
  /** Leaders that came after and did not come to serve, with their last word. */
  readonly failed: ReadonlyMap<Epoch, { readonly node: NodeId; readonly departure: Departure | null }>;
}

/**
 * Watches, on every host, who serves and since when nobody does. A leadership that fails to come to serve does not end
 * the gap, and does not hide why it began.
 */
export class ServiceGap {
  readonly #leaseTtlMs: number;
  #served: Served | null = null;
  #seenServingMs = 0;
  #gap: Gap | null = null;

  constructor(leaseTtlMs: number) {
    this.#leaseTtlMs = leaseTtlMs;
  }

  /** Null: somebody serves, or this host has not seen anybody serve since it was started. */
  get current(): Gap | null {
    return this.#gap;
  }

  onDecision(state: RoleState, atMs: number): void {
    const served = servedNow(state);
    if (served !== null) {
      this.#served = served;
      // Of another host it is known by what was read, which was true some time after the read was sent.
      if (served.node !== state.nodeId) this.#seenServingMs = state.cluster?.sentAtMs ?? atMs;
      else if (state.node.is !== 'absent') this.#seenServingMs = atMs;
      this.#gap = null;
      return;
    }
    if (this.#served === null) return;
    this.#gap ??= this.#begin(this.#served, state, atMs);
    this.#gap = withNews(this.#gap, state);
  }

  /**
   * A lease that ended by itself may not have been renewed, and its holder may not have served, for its whole time: that
   * is taken back as soon as the holder's own word is read.
   */
  #begin(after: Served, state: RoleState, atMs: number): Gap {
    const isOwn = after.node === state.nodeId;
    // One that died earlier, under this leadership or one before, has been replaced since.
    const diedAtMs = isOwn ? state.nodeDeaths.findLast((death) => death >= this.#seenServingMs) : undefined;
    const seenMs = diedAtMs ?? this.#seenServingMs;
    return {
      after,
      seenServingMs: seenMs,
      earliestMs: isOwn ? seenMs : seenMs - this.#leaseTtlMs,
      latestMs: diedAtMs ?? atMs,
      successor: null,
      departure: null,
      failed: new Map(),
    };
  }
}

function servedNow({ phase, nodeId, cluster }: RoleState): Served | null {
  const own = servedEpoch(phase);
  if (own > 0) return { node: nodeId, epoch: own };
  const leader = cluster?.leader ?? null;
  const record = cluster?.nodes.find((node) => node.node === leader?.node);
  const isServing = leader !== null && leader.node !== nodeId && record?.serving === leader.epoch;
  return isServing ? { node: leader.node, epoch: leader.epoch } : null;
}

function withNews(gap: Gap, { cluster }: RoleState): Gap {
  const leader = cluster?.leader ?? null;
  const departure = cluster?.departure ?? null;
  let told = gap;
  if (departure?.epoch === gap.after.epoch && gap.departure === null) told = { ...ownWord(told), departure };
  if (leader === null || leader.epoch <= gap.after.epoch) return withWordOf(told, departure);
  if (told.successor === null) {
    told = { ...(leader.handedOverBy === gap.after.node ? ownWord(told) : told), successor: leader };
  }
  if (!told.failed.has(leader.epoch)) {
    told = {
      ...told,
      failed: new Map(told.failed).set(leader.epoch, { node: leader.node, departure: null }),
    };
  }
  return withWordOf(told, departure);
}

/** It gave up or handed over itself, so it lived until then. */
function ownWord(gap: Gap): Gap {
  return { ...gap, earliestMs: gap.seenServingMs };
}

function withWordOf(gap: Gap, departure: Departure | null): Gap {
  const failure = departure === null ? undefined : gap.failed.get(departure.epoch);
  if (departure === null || failure === undefined || failure.departure !== null) return gap;
  return { ...gap, failed: new Map(gap.failed).set(departure.epoch, { ...failure, departure }) };
}
