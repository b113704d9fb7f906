import type { Epoch, NodeId, Position } from '#contracts/identities.ts';
import type { RootsReport } from '#contracts/roots.ts';
import type { Cause } from '../cause.ts';
import type { WentBack } from '../records/era.ts';
import type { ClusterView } from '../records/records.ts';
import type { ClusterSettings } from '../records/settings.ts';

/** Where this host is in the life of a leadership. */
export type Phase =
  | { readonly name: 'standby' }
  /** The leader key is ours; the service is being put up. */
  | { readonly name: 'promoting'; readonly epoch: Epoch; readonly sinceMs: number }
  | { readonly name: 'leading'; readonly epoch: Epoch; readonly sinceMs: number }
  /** Planned down, step by step; `to` is null when nobody can take over. */
  | {
      readonly name: 'handing-over';
      readonly epoch: Epoch;
      /** When the step began. */
      readonly sinceMs: number;
      readonly to: Successor | null;
      readonly step: HandOverStep;
      /** The operator's switchover; null when nobody asked. */
      readonly operationId: string | null;
      /** Whether the host goes on serving when it fails; a supervisor that was told to stop does not. */
      readonly canBeCalledOff: boolean;
      /** Why it is handed over. */
      readonly cause: Cause;
      /** How long transfers may take to end. */
      readonly drainMs: number;
      /** When clients were shut out, from which their outage counts; null before. */
      readonly closedAtMs: number | null;
    }
  /** Emergency down, or a promotion that failed: everything off at once, then the key is released. */
  | {
      readonly name: 'stepping-down';
      readonly epoch: Epoch;
      readonly sinceMs: number;
      readonly cause: Cause;
      /** From then on the write gate is shut by itself, whatever became of the SFTP node. */
      readonly gateEndsAtMs: number;
    }
  | { readonly name: 'stopped' };

/** Up to and with `handing-off` a switchover can be called off: the host goes on serving. */
export type HandOverStep =
  /** The successor loads its SFTP node, while this one serves. */
  | 'preparing'
  /** Running transfers may end; then the gate is shut. */
  | 'draining'
  /** The tail of the journal reaches the successor. */
  | 'handing-off'
  /** SFTP node and virtual IP go, side by side. */
  | 'leaving'
  | 'transferring';

/** Whether clients are let go by this step, so that a move can only go on. */
export function isPastReturn(step: string | null): boolean {
  return step === 'leaving' || step === 'transferring';
}

export interface Successor {
  readonly node: NodeId;
  readonly leaseId: string;
}

/** The host's lease at etcd. It ends, at etcd, no earlier than `endsAtMs` = when the renewal was sent + TTL. */
export interface HeldLease {
  readonly id: string;
  readonly endsAtMs: number;
}

/** What the SFTP node process last told. */
export type NodeFact =
  | { readonly is: 'absent' }
  | { readonly is: 'starting' | 'listening' | 'gate-shut' | 'stopping'; readonly epoch: Epoch };

/** A process that has the SFTP node's code loaded, and no epoch, key or port: what a successor keeps ready. */
export type SpareFact = 'absent' | 'loading' | 'ready';

/** What this host tells of the operation that it runs or ran. */
export interface OperationReport {
  readonly id: string;
  /** The leadership that runs it; 0: a host that does not lead. Of another one the report says nothing. */
  readonly epoch: Epoch;
  readonly state: 'running' | 'done' | 'failed' | 'cancelled';
  readonly step: string | null;
  readonly outcome: Cause | null;
}

/** `unknown` at boot: a leftover of an earlier run may be on. */
export type VipFact =
  | { readonly is: 'unknown' | 'absent' }
  | { readonly is: 'present'; readonly epoch: Epoch };

export interface ReplicatorFact {
  readonly ready: boolean;
  readonly role: 'idle' | 'leader' | 'follower';
  readonly highestEpoch: Epoch;
  /** The highest that it or any of its peers took part in, and the boot time at which it was told first. */
  readonly seen: { readonly epoch: Epoch; readonly sinceMs: number };
  readonly position: Position;
  readonly caughtUp: boolean;
  /** Since when it does not lead, by boot time; null: it leads, or has said nothing yet. */
  readonly awaySinceMs: number | null;
  readonly configDigest: string;
  readonly hostKeyFingerprints: readonly string[];
  /** The host's roots as it found them; null until it has told. */
  readonly roots: RootsReport | null;
  /** A comparison that waits for an operator. */
  readonly heldRemoval: { readonly files: number; readonly of: number; readonly leader: NodeId } | null;
  /** Files whose flush failed (P6), which are to be fetched anew; null: none. */
  readonly failedFiles: { readonly files: number; readonly first: string } | null;
  /** The answer to the hand-off of this epoch, once it came. */
  readonly handedOff: { readonly epoch: Epoch; readonly complete: boolean; readonly reason: string } | null;
}

/** Everything `decide` knows. Facts are what was observed last, never what was ordered. */
export interface RoleState {
  readonly nodeId: NodeId;
  readonly clusterName: string;
  readonly noFailover: boolean;
  readonly phase: Phase;
  readonly lease: HeldLease | null;
  readonly cluster: ClusterView | null;
  /** Boot time at which the newest word on the cluster arrived. */
  readonly clusterKnownAtMs: number;
  /** What this host saw of etcd and is gone from it; null when etcd never went back, or that was accepted. */
  readonly revisionsLost: WentBack | null;
  /**
   * The in-sync set as this host knows it while it leads, for when the key is gone from etcd or cannot be read: a member
   * that was to be removed counts as removed from when it was asked for. Null: not known.
   */
  readonly knownInSync: readonly NodeId[] | null;
  /** Boot time since which nobody leads, as far as is known; null while somebody does. */
  readonly leaderlessSinceMs: number | null;
  readonly node: NodeFact;
  readonly spare: SpareFact;
  readonly vip: VipFact;
  /** The epoch whose virtual IP was probed for strangers and found free. */
  readonly vipFreeFor: Epoch;
  /** The epoch whose first announcement went out. */
  readonly announcedFor: Epoch;
  readonly replicator: ReplicatorFact;
  /** Health problems that forbid this host to lead. */
  readonly unfit: readonly Cause[];
  /** Boot time since which there are any; null while there are none. */
  readonly unfitSinceMs: number | null;
  /** The SFTP node neither answers nor dies: it waits for a disk that stands still. */
  readonly nodeIsStuck: boolean;
  /** Since when the storage engine says nothing, by boot time; null: it is well. */
  readonly engineSilentSinceMs: number | null;
  /** Boot times at which the SFTP node died under this leadership. */
  readonly nodeDeaths: readonly number[];
  /** Failed attempts in a row to keep the virtual IP on. */
  readonly vipFailures: number;
  /** What went wrong under the present leadership. */
  readonly failure: Cause | null;
  /** The latest leadership of this host that is over: never entered again, whatever a late read says. */
  readonly endedEpoch: Epoch;
  /** Promotions in a row that failed, or came to nothing soon after; and when the last one did, in boot time. */
  readonly failedPromotions: number;
  readonly promotionFailedAtMs: number;
  /** Boot time before which this host does not claim again. */
  readonly claimNotBeforeMs: number;
  readonly lastFailure: Cause | null;
  readonly operation: OperationReport | null;
  /** The operation that was asked for while this host looked on, and a boot time at which it was not there yet. */
  readonly operationAppeared: { readonly id: string; readonly afterMs: number } | null;
  readonly stopping: boolean;
  readonly priority: number;
  /** Of this host, those that must be alike on every host; empty: nothing is compared. */
  readonly settings: ClusterSettings;
}

export const absentReplicator: ReplicatorFact = {
  ready: false,
  role: 'idle',
  highestEpoch: 0,
  seen: { epoch: 0, sinceMs: 0 },
  position: { epoch: 0, sequence: 0 },
  caughtUp: false,
  awaySinceMs: null,
  configDigest: '',
  hostKeyFingerprints: [],
  roots: null,
  heldRemoval: null,
  failedFiles: null,
  handedOff: null,
};

/** A host always boots as standby. */
export function initialState(
  nodeId: NodeId,
  noFailover = false,
  priority = 100,
  clusterName = '',
  settings: ClusterSettings = {},
): RoleState {
  return {
    nodeId,
    clusterName,
    noFailover,
    priority,
    settings,
    phase: { name: 'standby' },
    lease: null,
    cluster: null,
    clusterKnownAtMs: 0,
    revisionsLost: null,
    knownInSync: null,
    leaderlessSinceMs: null,
    node: { is: 'absent' },
    spare: 'absent',
    vip: { is: 'unknown' },
    vipFreeFor: 0,
    announcedFor: 0,
    replicator: absentReplicator,
    unfit: [],
    unfitSinceMs: null,
    nodeIsStuck: false,
    engineSilentSinceMs: null,
    nodeDeaths: [],
    vipFailures: 0,
    failure: null,
    endedEpoch: 0,
    failedPromotions: 0,
    promotionFailedAtMs: 0,
    claimNotBeforeMs: 0,
    lastFailure: null,
    operation: null,
    operationAppeared: null,
    stopping: false,
  };
}

/** The epoch that the phase belongs to; 0 for a standby. */
export function epochOf(phase: Phase): Epoch {
  return 'epoch' in phase ? phase.epoch : 0;
}

/** The leadership under which clients are served in this phase; 0: none. */
export function servedEpoch(phase: Phase): Epoch {
  const isServing = phase.name === 'leading' || (phase.name === 'handing-over' && !isPastReturn(phase.step));
  return isServing ? phase.epoch : 0;
}
