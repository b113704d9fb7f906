import type { Epoch, NodeId } from '#contracts/identities.ts';
import type { Held, HostAtRisk } from '#contracts/ipc/at-risk.ts';
import type { QuarantineAnswer, QuarantineRequest, QuarantineSummary } from '#contracts/ipc/quarantine.ts';
import type { FromReplicator, Peer, PeerProgress, Resync, ToReplicator } from '#contracts/ipc/replicator.ts';
import type { Config } from '../config/schema.ts';
import type { Cause } from '../core/cause.ts';
import type { SpareFact } from '../core/leadership/state.ts';
import type { AtRiskEntry, AtRiskRecord } from '../core/records/at-risk.ts';
import type { Claim } from '../core/records/claim.ts';
import type { Era, Restored } from '../core/records/era.ts';
import type { Departure, HistoryEntry, HistoryRecord } from '../core/records/history.ts';
import type { HostRecord } from '../core/records/host.ts';
import type { OperationRecord, Pause } from '../core/records/operation.ts';
import type {
  ClusterView,
  InSyncRecord,
  Leader,
  LeaderRecord,
  NodeRecord,
  PeerRecord,
  SingleKey,
} from '../core/records/records.ts';
import type { SettingsRecord } from '../core/records/settings.ts';

/** Time as the supervisor sees it. Elapsed time and wall time are different methods. */
export interface Clock {
  /** Milliseconds since boot, suspend included. */
  bootTimeMs(): number;
  /** For logs and records that people read. */
  wallTimeIso(): string;
}

/** Work that is done later, or again and again. The simulator has timers of its own. */
export interface Timers {
  /** @returns calls it off */
  after(ms: number, run: () => void): () => void;
  /** @returns ends it */
  every(ms: number, run: () => void): () => void;
  /** When all I/O that was waiting now has been handled. */
  afterFullPoll(run: () => void): void;
}

/** A lease and the boot time at which the request that renewed it last was sent. */
export interface LeaseGrant {
  readonly leaseId: string;
  readonly sentAtMs: number;
}

export type LeadershipWrite =
  | { readonly won: true; readonly epoch: Epoch }
  /** The compare failed: somebody else was first, or the state moved on. Read again. */
  | { readonly won: false };

export interface ClusterWatcher {
  /** Something changed. */
  onChange(): void;
  /** The leader key was written or deleted (null) at this revision. */
  onLeader(leader: Leader | null, revision: number): void;
}

/**
 * What Holdfast keeps in etcd. Every call has a deadline and rejects with HoldfastError ETCD_UNREACHABLE when no
 * endpoint answered in time, or with a code of its own when etcd answered and refused (ETCD_PERMISSION_DENIED,
 * ETCD_AUTH_FAILED, ETCD_NO_SPACE, LEASE_LOST for a write on a lease that has ended). A write that was rejected may still
 * have happened, so its author reads before acting.
 */
export interface ClusterStore {
  /** @throws HoldfastError ETCD_TTL_REFUSED when etcd grants another TTL than asked */
  grantLease(): Promise<LeaseGrant>;
  /** null when etcd says that the lease does not exist any more. */
  renewLease(leaseId: string): Promise<LeaseGrant | null>;
  revokeLease(leaseId: string): Promise<void>;
  read(): Promise<ClusterView>;
  /** Tells changes below the cluster's prefix as they happen. It may miss some: `read` finds those. */
  watch(watcher: ClusterWatcher): void;

  /** Writes the leader key if there is none, and all is as the claim says. */
  claimLeadership(record: LeaderRecord, leaseId: string, claim: Claim): Promise<LeadershipWrite>;
  /** Moves the leader key from `epoch` to another host's lease, or to a new epoch of this host. */
  moveLeadership(epoch: Epoch, record: LeaderRecord, leaseId: string): Promise<LeadershipWrite>;
  /** Deletes the leader key if it is still of this epoch, and leaves word why. */
  releaseLeadership(epoch: Epoch, departure: Departure): Promise<void>;
  /** Writes the in-sync set if this epoch still leads and the set is as it was read. True when written. */
  writeInSync(
    epoch: Epoch,
    members: readonly NodeId[],
    reason: string,
    modRevision: number,
  ): Promise<boolean>;
  /** A host takes itself out of the in-sync set, if that is as it was read. True when written. */
  leaveInSync(record: InSyncRecord, modRevision: number): Promise<boolean>;
  /** Writes what a host holds, if etcd's record is as it was read (0: there is none). True when written. */
  writeHost(record: HostRecord, modRevision: number): Promise<boolean>;
  /** Names who takes over in a moment, or nobody, while this epoch leads. True when written. */
  writeSuccessor(epoch: Epoch, node: NodeId | null, leaseId: string): Promise<boolean>;
  /** Says in which format the values are, if nothing does yet and this epoch leads. True when written. */
  writeFormat(epoch: Epoch, node: NodeId): Promise<boolean>;
  /**
   * Writes the operation if it is as it was read (0: there is none), and `epoch` leads (null: whoever leads). True when
   * written.
   */
  writeOperation(record: OperationRecord, modRevision: number, epoch: Epoch | null): Promise<boolean>;
  /** Writes what settings the leader has if its epoch leads and they are as they were read. True when written. */
  writeSettings(settings: SettingsRecord, modRevision: number): Promise<boolean>;
  /** As `writeOperation`; null ends the pause. */
  writePause(pause: Pause | null, modRevision: number, epoch: Epoch | null): Promise<boolean>;
  /** Leaves word that etcd went back, for every host, if nobody did or accepted it since `view` was read. */
  writeRestored(restored: Restored, view: ClusterView): Promise<boolean>;
  /**
   * Goes on with an etcd that was restored: a new era, with these hosts in sync. Only while nobody leads and nothing
   * else was written to these keys since `view` was read. True when written.
   */
  beginEra(era: Era, members: readonly NodeId[], view: ClusterView): Promise<boolean>;
  /**
   * Deletes a key that cannot be read if it is as it was read, or writes `era` in its place. True when done.
   */
  mendKey(name: SingleKey, modRevision: number, era: Era | null): Promise<boolean>;
  /** Oldest first; records that cannot be read are left out. */
  readHistory(): Promise<HistoryEntry[]>;
  /** Writes one if it is as it was read (0: there is none), and deletes those beyond the limit. True when written. */
  writeHistory(record: HistoryRecord, modRevision: number): Promise<boolean>;
  readAtRisk(): Promise<AtRiskEntry>;
  /** Writes it while its epoch leads, if it is as it was read. The revision of the key from then on; null: not written. */
  writeAtRisk(record: AtRiskRecord, modRevision: number): Promise<number | null>;
  publishNode(record: NodeRecord, leaseId: string): Promise<void>;
  publishPeer(record: PeerRecord): Promise<void>;
  close(): void;
}

/** Paths of the files for TLS and of the password, never what is in them. */
export type EtcdMembers = Pick<Config['etcd'], 'endpoints' | 'tls' | 'username' | 'passwordFile'>;

/** Where etcd's own leadership is. */
export interface EtcdPlacement {
  /** Moves it off this host if it is here. @returns the member that has it now, null when it was not here */
  leaveThisHost(): Promise<string | null>;
}

export interface InterfaceAddress {
  /** Canonical: IPv6 in the short form that the kernel prints. */
  readonly address: string;
  readonly prefixLength: number;
  readonly interface: string;
}

/** Somebody else answers for the virtual IP. */
export interface VipConflict {
  readonly address: string;
  readonly macAddress: string;
}

/** The virtual IPs of this host, all of them together. */
export interface VirtualIps {
  /**
   * Puts the addresses on, or extends them, so that the kernel takes them off by itself before `untilMs` (boot time),
   * and reads them back. False when they are not all on yet: so little time is left that nothing was done, or a command
   * is still under way. Answers soon in any case: the same call extends what the kernel has.
   * @throws HoldfastError INTERFACE_MISSING, VIP_FAILED, VIP_COMMAND_FAILED, VIP_COMMAND_TIMEOUT, VIP_COMMAND_UNUSABLE,
   *   COMMAND_TIMEOUT, COMMAND_MISSING
   */
  present(untilMs: number): Promise<boolean>;
  /**
   * Takes them off, and others of an earlier run, all that can be, and makes sure that they are gone. Idempotent.
   * @throws HoldfastError as `present`
   */
  absent(others?: readonly InterfaceAddress[]): Promise<void>;
  /** Asks the network whether another host answers for one of them; null when nobody does. */
  conflict(): Promise<VipConflict | null>;
  /** Gratuitous ARP and unsolicited neighbour advertisement, one of each. @throws HoldfastError ANNOUNCE_FAILED */
  announce(): Promise<void>;
}

/** Announcements of the virtual IPs for as long as this host has them. */
export interface AnnouncementSchedule {
  /** Resolves when the first went out, and repeats from then on. @throws HoldfastError ANNOUNCE_FAILED */
  start(epoch: Epoch): Promise<void>;
  stop(): void;
}

/** What the SFTP node process tells. */
export interface SftpNodeReports {
  spare(is: SpareFact): void;
  starting(epoch: Epoch): void;
  started(pid: number): void;
  listening(epoch: Epoch): void;
  gateShut(epoch: Epoch): void;
  exited(epoch: Epoch, cause: Cause): void;
}

export interface SftpNodeActivity {
  readonly sessions: number;
  readonly transfers: number;
  /** Connections that were dropped before login since it started. */
  readonly dropped: number;
}

/** The SFTP node process. Orders to a process that is not there, or of another epoch, do nothing. */
export interface SftpNodeControl {
  /** Starts it; one that was drained or shut takes up service again. */
  start(epoch: Epoch): void;
  /** Loads its code before a leadership, and ends a process that is not needed after all. */
  keepSpare(): void;
  dropSpare(): void;
  drain(epoch: Epoch, limitMs: number): void;
  openGate(epoch: Epoch, validUntilMs: number): void;
  shutGate(epoch: Epoch): void;
  stop(epoch: Epoch): void;
  kill(): void;
  readonly pid: number | undefined;
  readonly activity: SftpNodeActivity;
}

export type ReplicatorStatus = Extract<FromReplicator, { type: 'status' }>;
export type MembershipRequest = Extract<FromReplicator, { type: 'membership' }>;
/** What the in-sync set in etcd is after a request to change it. */
export interface MembershipResult {
  readonly accepted: boolean;
  readonly inSync: NodeId[];
}

/** What the replicator process tells. */
export interface ReplicatorReports {
  ready(publicKey: string): void;
  status(status: ReplicatorStatus): void;
  handedOff(complete: boolean, reason: string): void;
  gone(): void;
  /** Changes the in-sync set in etcd and tells what it is then. */
  changeMembership(request: MembershipRequest): Promise<MembershipResult>;
}

/** How far this host is from being in sync, and how fast it gets there. */
export interface ResyncReport extends Omit<Resync, 'comparedBytes'> {
  /** What is fetched, or found to be the same, within the last seconds; null: not known yet. */
  readonly bytesPerSecond: number | null;
  /** For the files that are known of so far, at that pace; null: not known, as while nothing comes. */
  readonly secondsLeft: number | null;
}

/** The replicator process, which is told its role again when it starts anew. */
export interface ReplicatorControl {
  tellRole(role: Extract<ToReplicator, { type: 'lead' | 'follow' | 'idle' }>): void;
  openGate(epoch: Epoch, validUntilMs: number): void;
  shutGate(): void;
  handOff(epoch: Epoch, target: NodeId): void;
  /** Gives the host's roots an identity, in the place of those that they carry. */
  admit(replaces: string, at: number): void;
  /** Fetches the files anew whose flush failed; not while this host leads, or is in the in-sync set. */
  replaceFailedFiles(): void;
  /** Lets the comparison that waits take away so many files. */
  acceptRemoval(files: number): void;
  /**
   * Asks about its quarantine, or discards of it. What it refuses is an answer.
   * @throws HoldfastError REPLICATOR_DOWN; REPLICATOR_SILENT when no answer comes in time
   */
  askQuarantine(request: QuarantineRequest): Promise<QuarantineAnswer>;
  /** What hosts may lack, as of now; null: this host does not lead. @throws as `askQuarantine` */
  askAtRisk(): Promise<HostAtRisk[] | null>;
  /** What the leader before this one knew of hosts that are not in sync. */
  tellHeld(held: Held[]): void;
  /** Ends the process at once; another one is started. */
  kill(): void;
  /** Starts it; it is started again whenever it ends. */
  start(): void;
  /** The other hosts, whenever they change. */
  tellPeers(peers: Peer[]): void;
  close(): void;
  readonly pid: number | undefined;
  readonly followers: readonly PeerProgress[];
  /** What lies in quarantine on this host; null: not known yet. */
  readonly quarantine: QuarantineSummary | null;
  /** How far this host is from having what its leader has; null: it lacks nothing, or does not follow. */
  readonly resync: ResyncReport | null;
  /** What it finds wrong with replicated files; for people, since no other host would do better. */
  readonly configFacts: readonly HealthFact[];
}

/** One thing that was looked at. `bad` makes a standby ineligible; `warn` is for people. */
export interface HealthFact {
  readonly name: string;
  readonly level: 'ok' | 'warn' | 'bad';
  readonly detail: string;
  /** Stable code of what is wrong; empty when nothing is. */
  readonly code: string;
}

/** What looking at this host asks and tells. */
export interface HealthReports {
  /** Whether this host leads, with its SFTP node listening. */
  isServing(): boolean;
  /** Whether an SFTP node of this host has the port, or may take it at any moment. */
  hasSftpPort(): boolean;
  /** Hardware addresses of the leader, when that is another host and has told them; null otherwise. */
  leaderLinks(): readonly string[] | null;
  unfit(unfit: Cause[]): void;
  /** The SFTP node has been silent for a while; `again`: it was so before, and is still there. */
  silentNode(again: boolean): void;
  /** The storage engine says nothing for a while, or is well again. */
  silentEngine(isSilent: boolean): void;
  /** The process of the storage engine has answered nothing for long: no disk keeps it from that. */
  stuckEngine(): void;
}

/** Looks at this host all the time. */
export interface Health {
  readonly facts: readonly HealthFact[];
  /** For how long each process of ours stood still at most within the last minute. */
  readonly latenessMs: Readonly<Record<string, number>>;
  run(signal: AbortSignal): Promise<void>;
}

/** A process by its number and start, since numbers are used again. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTicks: string;
}

/** What the run had from holdfast.yaml, which may say something else by the time that the run is cleaned up after. */
export interface RunSettings {
  readonly node: NodeId;
  readonly vips: readonly InterfaceAddress[];
  readonly etcd: EtcdMembers;
  /** The device that may be armed. */
  readonly watchdog: string | null;
}

/** A timer of the machine that resets it unless it is fed in time. */
export interface Watchdog {
  /** What the timer is set to. */
  readonly timeoutMs: number;
  /** The machine is reset at the latest so long after it was fed. */
  readonly resetsWithinMs: number;
  /** Why it cannot be used as it should; null when it can. */
  problem(): Promise<string | null>;
  /** Starts the timer. Idempotent. @throws HoldfastError WATCHDOG_UNUSABLE */
  arm(): void;
  feed(): void;
  /** Stops it. Idempotent. */
  disarm(): void;
  /** Stops it when it runs though nobody feeds it: a supervisor that died had armed it. */
  stopOrphan(): void;
}

export interface RunMemory {
  readonly leaseId: string | null;
  readonly sftpNode: ProcessIdentity | null;
  /** Null when the run was of a Holdfast that did not write them. */
  readonly settings: RunSettings | null;
}

/** What must survive this process, so that the next one, or `holdfast release`, can clean up after it. */
export interface RunState {
  remember(part: Partial<Omit<RunMemory, 'settings'>>): void;
  recall(): RunMemory;
  forget(): void;
}

/** The service manager. */
export interface Notifier {
  ready(): void;
  /** Called with every tick; passes it on as often as the watchdog needs. */
  alive(): void;
  status(text: string): void;
  stopping(): void;
}
