import type { Etcd3 } from 'etcd3';
import type { EtcdWatcher } from './rpc.ts';

const againAfterMs = 500;
/** A member has this long to begin a watch, the connection and the login included. */
const beginLimitMs = 5000;

/**
 * Watches one member until it is ended. One that was interrupted begins anew from what is there then: the library's own
 * would ask for what it missed, and stay silent for ever when that was compacted, or when etcd went back to an older
 * snapshot. Each begins on a connection of its own: one that is never made, or has died without a word (see `keepalive`
 * in endpoints.ts), is left behind, and so is a login that etcd has forgotten.
 */
export function watchMember(openClient: () => Etcd3, prefix: string, watcher: EtcdWatcher): () => void {
  let isClosed = false;
  let timer: NodeJS.Timeout | null = null;
  let end = () => {};

  function begin(): void {
    const client = openClient();
    const stream = client.watch().prefix(prefix).watcher();
    let isOver = false;
    end = () => {
      if (isOver) return;
      isOver = true;
      clearTimeout(tooLate);
      // Taken off first, or it would come back by itself as well.
      stream.cancel().catch(() => {});
      client.close();
    };
    const again = () => {
      if (isOver || isClosed) return;
      end();
      timer = setTimeout(begin, againAfterMs);
      timer.unref();
    };
    const tooLate = setTimeout(again, beginLimitMs);
    tooLate.unref();
    stream.on('put', ({ key, value, mod_revision, lease }) => {
      watcher.onKey({ key: key.toString('utf8'), value, modRevision: mod_revision, leaseId: lease });
    });
    stream.on('delete', ({ key, mod_revision }) => {
      watcher.onKey({ key: key.toString('utf8'), value: null, modRevision: mod_revision, leaseId: '0' });
    });
    stream.on('data', () => watcher.onChange());
    stream.on('connected', () => {
      clearTimeout(tooLate);
      // What changed meanwhile is read.
      watcher.onChange();
    });
    stream.on('disconnected', again);
    // Cancelled by etcd: the library has dropped it.
    stream.on('error', again);
  }

  begin();
  return () => {
    isClosed = true;
    if (timer !== null) clearTimeout(timer);
    end();
  };
}
