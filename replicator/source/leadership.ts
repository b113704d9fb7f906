import type { Logger } from '#contracts/log.ts';
import type { ConfigSnapshot } from '../config/snapshot.ts';
import type { ToFollower, ToLeader, toLeaderSchema } from '../protocol/message.ts';
import type { PeerChannel } from '../protocol/peer-channel.ts';
import type { Tree } from '../tree/tree.ts';
import type { HandlePaths } from './handle-paths.ts';
import type { OperationWindow } from './operation-window.ts';
import type { TreeHold } from './tree-hold.ts';

export type FollowerChannel = PeerChannel<typeof toLeaderSchema, ToFollower>;
export type Hello = Extract<ToLeader, { type: 'hello' }>;

/** A host that follows, as the parts that serve it see its session. */
export interface Follower {
  readonly nodeId: string;
  /** Resolves with the acknowledged sequence once everything up to `sequence` is on the follower's disk. */
  flush(sequence: number, signal: AbortSignal): Promise<unknown>;
}

/** What a session sees of the leadership it belongs to. */
export interface Leadership {
  readonly epoch: number;
  /** The current run of the journal. */
  readonly stream: string;
  readonly replicatesFiles: boolean;
  readonly window: OperationWindow;
  readonly handles: HandlePaths;
  readonly hold: TreeHold;
  readonly tree: Tree;
  readonly config: ConfigSnapshot;
  readonly syncTimeoutMs: number;
  readonly log: Logger;
  now(): number;
  onAcknowledged(follower: Follower, sequence: number): void;
  /** Something worth a look happened: caught up, config applied, gone. */
  onChanged(): void;
  onScrubbed(result: { differences: number; repaired: number }): void;
}
