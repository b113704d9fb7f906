import type { Peer } from '#contracts/ipc/replicator.ts';
import {
  commonRootId,
  type RootName,
  type RootReport,
  type RootsReport,
  rootIdsOf,
} from '#contracts/roots.ts';
import { Acknowledgements } from '../../replicator/leading/acknowledgements.ts';
import { Membership } from '../../replicator/leading/membership.ts';
import type { ReplicatorControl, ReplicatorReports } from '../../supervisor/runtime/ports.ts';
import { append, type Write } from './history.ts';
import type { HostModel } from './host.ts';
import { cluster } from './run.ts';
import type { World } from './world.ts';

type RoleOrder = Parameters<ReplicatorControl['tellRole']>[0];

const syncTimeoutMs = 1000;
const reviewEveryMs = 100;

/** The leader's side: the real bookkeeping of who is in sync and who has what, for one epoch. */
interface Leading {
  readonly epoch: number;
  readonly acknowledgements: Acknowledgements;
  readonly membership: Membership;
  /** What was sent last, and what each follower acknowledged last. */
  sequence: number;
  readonly held: Map<string, number>;
  /** Writes whose clients wait for an answer. */
  waiting: { sequence: number; write: Write }[];
  handedOff: boolean;
}

/**
 * The replicator process as the model has it: the real rules of acknowledgement and membership on a modelled stream. A
 * message carries all that the leader has, so that a follower that gets one has caught up.
 */
export class ReplicatorModel implements ReplicatorControl {
  readonly #host: HostModel;
  readonly #world: World;
  readonly #reports: ReplicatorReports;
  #alive = true;
  #role: RoleOrder = { type: 'idle' };
  #leading: Leading | null = null;
  #peers: Peer[] = [];
  /** Under the role that it has now. */
  #hasCaughtUp = false;
  #taken = -1;
  readonly pid = undefined;
  readonly followers = [];
  readonly configFacts = [];
  readonly quarantine = null;
  readonly resync = null;

  constructor(host: HostModel, world: World, reports: ReplicatorReports) {
    this.#host = host;
    this.#world = world;
    this.#reports = reports;
  }

  start(): void {
    this.#world.timeline.after(50, () => {
      if (!this.#alive) return;
      this.#report((reports) => reports.ready('key'));
      this.#world.timeline.every(reviewEveryMs, () => {
        this.#review();
        return this.#alive;
      });
    });
  }

  close(): void {
    this.#alive = false;
  }

  tellPeers(peers: Peer[]): void {
    this.#later(2, () => {
      this.#peers = peers;
    });
  }

  tellRole(role: RoleOrder): void {
    this.#later(2, () => this.#enter(role));
  }

  /** The roots get an identity, if theirs is still the one that it replaces. */
  admit(replaces: string, at: number): void {
    this.#later(3, () => {
      const host = this.#host;
      if (rootIdsOf(this.#roots()) !== replaces) return;
      const id = `${host.id}-${at}-${Math.floor(this.#world.random.between(0, 1e9))}`;
      host.dataIsAway = false;
      host.root = { id, admittedAt: at, held: host.position, revision: 1, holdsFiles: host.files !== null };
      this.#reportStatus();
    });
  }

  acceptRemoval(): void {}

  /** Nobody asks. */
  askQuarantine(): Promise<never> {
    return new Promise(() => {});
  }

  askAtRisk(): Promise<never> {
    return new Promise(() => {});
  }

  tellHeld(): void {}

  replaceFailedFiles(): void {}

  kill(): void {}

  /** What may be acknowledged is looked at at the gate of the SFTP node. */
  openGate(): void {}

  shutGate(): void {}

  handOff(_epoch: number, target: string): void {
    this.#later(3, () => {
      const leading = this.#leading;
      const to = this.#world.replicatorOf(target);
      const complete =
        leading !== null &&
        to !== null &&
        this.#isConnected(to.#host.id) &&
        to.#take(this.#host, leading.epoch, leading.sequence, this.#host.files);
      if (complete && leading !== null) leading.handedOff = true;
      this.#report((reports) => reports.handedOff(complete, 'not connected'));
    });
  }

  /** The SFTP node tells of a change that a client made. False: it may not be made. */
  write(epoch: number): boolean {
    const leading = this.#leading;
    if (!this.#alive || leading === null || leading.epoch !== epoch || leading.handedOff) return false;
    const { host } = { host: this.#host };
    host.files = append(host.files, epoch, host.id);
    leading.sequence += 1;
    leading.waiting.push({ sequence: leading.sequence, write: host.files });
    leading.acknowledgements.received(leading.sequence, host.bootTimeMs());
    for (const other of this.#world.hosts) if (other !== host) this.#send(leading, other.id);
    this.#answer(leading);
    return true;
  }

  get isWaiting(): boolean {
    return (this.#leading?.waiting.length ?? 0) > 0;
  }

  #enter(role: RoleOrder): void {
    const host = this.#host;
    if (role.type !== 'idle' && role.epoch < host.highestEpoch) return;
    // Roots that were swapped since the order was given are not those that were judged.
    const own = commonRootId(this.#roots());
    if (role.type === 'lead' && role.root !== own) return;
    if (role.type === 'follow' && role.root !== null && role.root !== own) return;
    if (role.type !== 'idle') host.highestEpoch = role.epoch;
    this.#saveRoot();
    const before = this.#role;
    this.#role = role;
    if (before.type !== role.type || role.type === 'idle' || role.epoch !== epochOf(before)) {
      this.#hasCaughtUp = false;
      this.#taken = -1;
    }
    if (role.type !== 'lead') this.#leading = null;
    else if (this.#leading?.epoch === role.epoch) this.#repeat(this.#leading, role.inSync);
    else this.#leading = this.#lead(role.epoch, role.inSync);
    if (JSON.stringify(before) !== JSON.stringify(role)) this.#reportStatus();
  }

  /** What the host holds is written down with each new role, as the product does now and then. */
  #saveRoot(): void {
    const { root, position, files } = this.#host;
    if (root === null || this.#host.dataIsAway) return;
    const held = {
      ...position,
      epoch: Math.max(root.held.epoch, Math.min(position.epoch, this.#host.highestEpoch)),
    };
    this.#host.root = { ...root, held, revision: root.revision + 1, holdsFiles: files !== null };
  }

  #roots(): RootsReport {
    const host = this.#host;
    const report = (name: RootName): RootReport => {
      const isGone = name === 'data' && host.dataIsAway;
      const identity = { format: 1, cluster, host: host.id, root: name, place: '1:1' } as const;
      const isEmpty = name === 'data' ? host.files === null : host.root === null;
      const record = host.root === null || isGone ? null : { ...identity, ...host.root };
      return { path: `/${name}`, record, isEmpty, place: '1:1' };
    };
    return { data: report('data'), config: report('config'), state: report('state') };
  }

  #repeat(leading: Leading, inSync: readonly string[]): void {
    leading.handedOff = false;
    leading.acknowledgements.setMembers(inSync);
  }

  #lead(epoch: number, inSync: readonly string[]): Leading {
    const self = this.#host.id;
    const acknowledgements = new Acknowledgements({ self, waits: true, strict: false }, inSync);
    const membership = new Membership(epoch, acknowledgements, (request) => {
      this.#later(1, () =>
        this.#reportAsync(async (reports) => {
          const { accepted, inSync: members } = await reports.changeMembership(request);
          if (accepted) this.#world.tell(`${self}: in-sync set {${members.join(',')}}`);
          this.#later(1, () => {
            if (this.#leading?.membership !== membership) return;
            membership.onResult(request.requestId, accepted, members);
            this.#answer(this.#leading);
          });
        }),
      );
    });
    return {
      epoch,
      acknowledgements,
      membership,
      sequence: 0,
      held: new Map(),
      waiting: [],
      handedOff: false,
    };
  }

  #send(leading: Leading, to: string): void {
    const { network } = this.#world;
    const { sequence } = leading;
    const { files } = this.#host;
    network.send(this.#host.id, to, () => {
      const follower = this.#world.replicatorOf(to);
      if (
        follower === null ||
        this.#leading !== leading ||
        !follower.#take(this.#host, leading.epoch, sequence, files)
      )
        return;
      network.send(to, this.#host.id, () => {
        if (this.#leading !== leading) return;
        leading.held.set(to, Math.max(sequence, leading.held.get(to) ?? -1));
        leading.acknowledgements.acknowledge(to, sequence, this.#host.bootTimeMs());
        this.#answer(leading);
      });
    });
  }

  /** As a follower: takes over all that the leader has. False: it does not follow, or knows of a newer leadership. */
  #take(from: HostModel, epoch: number, sequence: number, files: Write | null): boolean {
    const host = this.#host;
    const role = this.#role;
    if (!this.#alive || role.type !== 'follow' || role.leader !== from.id || role.epoch !== epoch) {
      if (this.#alive && host.highestEpoch > epoch)
        from.toldEpoch = Math.max(from.toldEpoch, host.highestEpoch);
      return false;
    }
    // A connection delivers in order: what comes late was overtaken by what holds more.
    if (sequence >= this.#taken) host.files = files;
    this.#taken = Math.max(this.#taken, sequence);
    if (!this.#hasCaughtUp) {
      this.#hasCaughtUp = true;
      this.#reportStatus();
    }
    return commonRootId(this.#roots()) !== null;
  }

  #review(): void {
    if (!this.#alive) return;
    const leading = this.#leading;
    this.#reportStatus();
    if (leading === null) return;
    const idle = leading.waiting.length === 0;
    if (idle) for (const other of this.#world.hosts) if (other !== this.#host) this.#send(leading, other.id);
    leading.membership.review({
      atMs: this.#host.bootTimeMs(),
      syncTimeoutMs,
      isAlive: (nodeId) => this.#peers.find((peer) => peer.nodeId === nodeId)?.alive ?? false,
      caughtUp: [...leading.held]
        .filter(([nodeId, sequence]) => sequence === leading.sequence && this.#isConnected(nodeId))
        .map(([nodeId]) => nodeId),
      isClose: () => true,
      fallenBack: [],
    });
  }

  #answer(leading: Leading): void {
    const { durable } = leading.acknowledgements;
    const done = leading.waiting.filter(({ sequence }) => sequence <= durable);
    leading.waiting = leading.waiting.filter(({ sequence }) => sequence > durable);
    for (const { write } of done) this.#world.acknowledge(this.#host, leading.epoch, write);
  }

  #isConnected(other: string): boolean {
    const { network } = this.#world;
    return network.passes(this.#host.id, other) && network.passes(other, this.#host.id);
  }

  #reportStatus(): void {
    const host = this.#host;
    const roles = { lead: 'leader', follow: 'follower', idle: 'idle' } as const;
    this.#report((reports) =>
      reports.status({
        type: 'status',
        role: roles[this.#role.type],
        highestEpoch: host.highestEpoch,
        toldEpoch: host.toldEpoch,
        position: host.position,
        caughtUp: this.#hasCaughtUp,
        resync: null,
        configDigest: '',
        configProblems: [],
        hostKeyFingerprints: ['k'],
        atRisk: [],
        peers: [],
        quarantined: 0,
        quarantine: null,
        roots: this.#roots(),
        heldRemoval: null,
        failedFiles: null,
      }),
    );
  }

  /** What the supervisor tells this process; it does not get there while the supervisor stands still. */
  #later(ms: number, run: () => void): void {
    this.#host.run?.later(ms, () => {
      if (this.#alive) run();
    });
  }

  #report(tell: (reports: ReplicatorReports) => void): void {
    this.#host.run?.later(0, () => {
      if (this.#alive) tell(this.#reports);
    });
  }

  /** No answer is better than a guess: the replicator asks again. */
  #reportAsync(tell: (reports: ReplicatorReports) => Promise<void>): void {
    this.#report((reports) => void tell(reports).catch(() => {}));
  }
}

function epochOf(role: RoleOrder): number {
  return role.type === 'idle' ? 0 : role.epoch;
}
