import type { FromReplicator } from '#contracts/ipc/replicator.ts';
import type { Acknowledgements } from './acknowledgements.ts';

type MembershipRequest = Extract<FromReplicator, { type: 'membership' }>;

const repeatAfterMs = 3000;
const addAgainAfterMs = 1000;

export interface MembershipFacts {
  readonly atMs: number;
  readonly syncTimeoutMs: number;
  readonly isAlive: (nodeId: string) => boolean;
  /** Followers that hold everything and receive the live stream. */
  readonly caughtUp: readonly string[];
  /** Whether a follower lacks little of what comes: who joins is waited for. */
  readonly isClose: (nodeId: string) => boolean;
  /** Members that came back without what they had acknowledged (F4). */
  readonly fallenBack: readonly string[];
}

/**
 * Has the in-sync set in etcd changed through the supervisor. One request at a time, since answers carry the whole
 * set and an older one must not be taken for the newer.
 */
export class Membership {
  readonly #epoch: number;
  readonly #acknowledgements: Acknowledgements;
  readonly #send: (request: MembershipRequest) => void;
  readonly #onLate: (nodeId: string, waitedMs: number) => void;
  #outstanding: { request: MembershipRequest; sentAtMs: number } | null = null;
  #nextId = 1;
  /** Who counts already, and is not asked for yet. */
  #candidate: string | null = null;
  /** Who was late, with what it had flushed: it is no candidate before it flushes more. */
  readonly #late = new Map<string, number>();
  /** Who was asked for without a clear answer. */
  readonly #mayBeIn = new Set<string>();
  readonly #addedAtMs = new Map<string, number>();

  /**
   * @param epoch of the leadership that it acts for
   * @param onLate a candidate is none any more: changes waited for so long while it flushed nothing. Not called again of
   *   the same host before that has flushed more
   */
  constructor(
    epoch: number,
    acknowledgements: Acknowledgements,
    send: (request: MembershipRequest) => void,
    onLate: (nodeId: string, waitedMs: number) => void = () => {},
  ) {
    this.#epoch = epoch;
    this.#acknowledgements = acknowledgements;
    this.#send = send;
    this.#onLate = onLate;
  }

  /** Whether it was late, as a member or a candidate, and has flushed nothing since. */
  isLate(nodeId: string): boolean {
    const flushed = this.#late.get(nodeId);
    return flushed !== undefined && this.#acknowledgements.flushedBy(nodeId) <= flushed;
  }

  /** Looks whether somebody has to leave, or may join. */
  review(facts: MembershipFacts): void {
    const { atMs } = facts;
    this.#forgetCandidate(facts);
    if (this.#outstanding !== null) {
      if (atMs - this.#outstanding.sentAtMs >= repeatAfterMs) this.#request(this.#outstanding.request, atMs);
      return;
    }
    const leaver = this.#leaver(facts);
    if (leaver !== undefined) {
      this.#change('remove', leaver.nodeId, leaver.reason, atMs);
      return;
    }
    this.#candidate ??= this.#chooseCandidate(facts);
    const candidate = this.#candidate;
    if (candidate === null || !this.#acknowledgements.hasPromised(candidate)) return;
    this.#candidate = null;
    this.#change('add', candidate, 'it holds everything and receives the live stream', atMs);
  }

  /** It counts from now on, and is asked for once it has what was acknowledged without it. */
  #chooseCandidate({ caughtUp, isClose, atMs }: MembershipFacts): string | null {
    const candidate = caughtUp.find((nodeId) => isClose(nodeId) && this.#mayJoin(nodeId, atMs)) ?? null;
    if (candidate === null) return null;
    this.#addedAtMs.set(candidate, atMs);
    this.#acknowledgements.beginJoining(candidate);
    return candidate;
  }

  /** Nobody need wait for a candidate that is not well, unless etcd was asked for it before and may have it. */
  #forgetCandidate({ atMs, syncTimeoutMs, caughtUp, isAlive }: MembershipFacts): void {
    const candidate = this.#candidate;
    if (candidate === null) return;
    const waitedMs = this.#acknowledgements.waitedMs(candidate, atMs) ?? 0;
    const isLate = waitedMs >= syncTimeoutMs;
    if (caughtUp.includes(candidate) && isAlive(candidate) && !isLate) return;
    this.#candidate = null;
    if (isLate) this.#late.set(candidate, this.#acknowledgements.flushedBy(candidate));
    if (!this.#mayBeIn.has(candidate)) this.#acknowledgements.endJoining(candidate);
    if (isLate) this.#onLate(candidate, waitedMs);
  }

  /**
   * The supervisor's answer; the set it names is what counts, whether or not it is what was asked for. Only a joiner
   * that the answer does not name goes on counting: when the answer is but the supervisor's last knowledge, since
   * etcd did not answer it, the joiner may be in the set all the same. It is asked for again, or removed.
   */
  onResult(requestId: number, accepted: boolean, inSync: readonly string[]): void {
    const request = this.#outstanding?.request;
    if (request?.requestId !== requestId) return;
    this.#outstanding = null;
    this.#acknowledgements.setMembers(inSync);
    const known = accepted || request.change === 'remove' || inSync.includes(request.nodeId);
    if (!known) {
      this.#mayBeIn.add(request.nodeId);
      return;
    }
    this.#mayBeIn.delete(request.nodeId);
    this.#acknowledgements.endJoining(request.nodeId);
  }

  #leaver(facts: MembershipFacts): { nodeId: string; reason: string } | undefined {
    const { atMs, syncTimeoutMs, isAlive } = facts;
    const fallenBack = facts.fallenBack.find((nodeId) => this.#acknowledgements.isRecorded(nodeId));
    if (fallenBack !== undefined) {
      return { nodeId: fallenBack, reason: 'it came back without what it had acknowledged' };
    }
    const gone = this.#acknowledgements.overdue(atMs, 0).find((nodeId) => !isAlive(nodeId));
    if (gone !== undefined) return { nodeId: gone, reason: 'its supervisor holds no lease any more' };
    const [late] = this.#acknowledgements.overdue(atMs, syncTimeoutMs);
    if (late === undefined) return undefined;
    this.#late.set(late, this.#acknowledgements.flushedBy(late));
    return { nodeId: late, reason: `it has acknowledged nothing for ${syncTimeoutMs} ms` };
  }

  #mayJoin(nodeId: string, atMs: number): boolean {
    if (this.#acknowledgements.isRecorded(nodeId) || this.isLate(nodeId)) return false;
    return atMs - (this.#addedAtMs.get(nodeId) ?? Number.NEGATIVE_INFINITY) >= addAgainAfterMs;
  }

  #change(change: 'add' | 'remove', nodeId: string, reason: string, atMs: number): void {
    const requestId = this.#nextId++;
    this.#request({ type: 'membership', requestId, epoch: this.#epoch, change, nodeId, reason }, atMs);
  }

  #request(request: MembershipRequest, atMs: number): void {
    this.#outstanding = { request, sentAtMs: atMs };
    this.#send(request);
  }
}
