import type { Etcd3 } from 'etcd3';
import type { EtcdWatcher } from './rpc.ts';

const againAfterMs = 500;

/**
 * Watches one member for as long as its client is open. One that was interrupted begins anew from what is there then:
 * the library's own would ask for what it missed, and stay silent for ever when that was compacted, or when etcd went
 * back to an older snapshot.
 */
export function watchMember(client: Etcd3, prefix: string, watcher: EtcdWatcher): () => void {
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
    stream.on('put', ({ key, value, mod_revision, lease }) => {
      watcher.onKey({ key: key.toString('utf8'), value, modRevision: mod_revision, leaseId: lease });
    });
    stream.on('delete', ({ key, mod_revision }) => {
      watcher.onKey({ key: key.toString('utf8'), value: null, modRevision: mod_revision, leaseId: '0' });
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
