import type { Epoch, NodeId } from '#contracts/identities.ts';
import type { Logger } from '#contracts/log.ts';
import { inSyncMembers, isInSyncReadable } from '../core/leadership/in-sync.ts';
import { epochOf, type RoleState } from '../core/leadership/state.ts';
import { changedMembers } from '../core/records/membership.ts';
import type { ClusterView } from '../core/records/records.ts';
import type { ClusterStore, MembershipRequest, MembershipResult } from './ports.ts';

export interface MembershipOptions {
  readonly store: ClusterStore;
  readonly state: () => RoleState;
  readonly onView: (view: ClusterView) => void;
  /** The members as they are known to be from now on. */
  readonly onChanged: (epoch: Epoch, members: readonly NodeId[]) => void;
  readonly log: Logger;
}

/**
 * Changes the in-sync set for this host's replicator, by compare-and-swap under the epoch of the leadership that asks:
 * what an earlier leadership asked for changes nothing.
 */
export class Membership {
  readonly #options: MembershipOptions;

  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  /** @throws HoldfastError ETCD_UNREACHABLE when it is not known whether it changed */
  async change(request: MembershipRequest): Promise<MembershipResult> {
    const { store, onView, onChanged, log } = this.#options;
    const { phase, cluster, nodeId, knownInSync } = this.#options.state();
    const before = inSyncMembers({ cluster, knownInSync });
    const { epoch } = request;
    const isCurrent = epoch > 0 && epoch === epochOf(phase);
    if (!isCurrent || cluster === null || before === null) {
      log.warn(
        { epoch, leading: epochOf(phase) },
        'a change of the in-sync set came from another leadership',
      );
      return { accepted: false, inSync: [...(before ?? [])] };
    }
    const members = changedMembers(before, request.change, request.nodeId, nodeId);
    const reason = `${request.change} ${request.nodeId}: ${request.reason}`;
    // Known at once, and a leaver before it is out: should the key get lost, nobody who left must come back by it. While
    // it is lost, what is known is what all go by: nobody is out by that before etcd has it.
    const observeMembers = (known: readonly string[]) => onChanged(epoch, known);
    if (request.change === 'remove' && isInSyncReadable(cluster)) observeMembers(members);
    const accepted = await store.writeInSync(epoch, members, reason, cluster.revisions.insync);
    if (accepted) observeMembers(members);
    if (accepted) log.info({ epoch, members }, `in-sync set: ${reason}`);
    // The next request needs the new revision of the key.
    const view = await store.read();
    onView(view);
    if (!accepted && !isInSyncReadable(view)) {
      observeMembers(before);
      return { accepted, inSync: [...before] };
    }
    const known = inSyncMembers({ cluster: view, knownInSync: this.#options.state().knownInSync });
    return { accepted, inSync: [...(known ?? before)] };
  }
}
