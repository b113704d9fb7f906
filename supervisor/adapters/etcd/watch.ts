import type { Etcd3 } from 'etcd3';
import type { ClusterWatcher } from '../../runtime/ports.ts';
import { leaderOf } from './codec.ts';

const againAfterMs = 500;

export interface WatchedCluster {
  readonly prefix: string;
  readonly leaderKey: Buffer;
  /** The epoch that an etcd revision stands for. */
  readonly epochAt: (revision: string) => number;
}

/**
 * Watches one member for as long as its client is open. One that was interrupted begins anew from what is there then:
 * the library's own would ask for what it missed, and stay silent for ever when that was compacted, or when etcd went
 * back to an older snapshot.
 */
export function watchMember(client: Etcd3, cluster: WatchedCluster, watcher: ClusterWatcher): () => void {
  const { prefix, leaderKey, epochAt } = cluster;
  let isClosed = false;
  let timer: NodeJS.Timeout | null = null;

  function begin(): void {
    const stream = client.watch().prefix(prefix).watcher();
    let isOver = false;
    const again = () => {
      if (isOver || isClosed) return;
      isOver = true;
      timer = setTimeout(begin, againAfterMs);
      timer.unref();
    };
    stream.on('put', (kv) => {
      const leader = kv.key.equals(leaderKey) ? leaderOf(kv, []) : null;
      if (leader !== null) watcher.onLeader(leader, leader.epoch);
    });
    stream.on('delete', (kv) => {
      // With an era that is not known yet it looks old: the next read tells.
      if (kv.key.equals(leaderKey)) watcher.onLeader(null, epochAt(kv.mod_revision));
    });
    stream.on('data', () => watcher.onChange());
    // What changed meanwhile is read.
    stream.on('connected', () => watcher.onChange());
    stream.on('disconnected', () => {
      // Taken off while there is no connection, or it would come back by itself as well.
      stream.cancel().catch(() => {});
      again();
    });
    // Cancelled by etcd: the library has dropped it.
    stream.on('error', again);
  }

  begin();
  return () => {
    isClosed = true;
    if (timer !== null) clearTimeout(timer);
  };
}
