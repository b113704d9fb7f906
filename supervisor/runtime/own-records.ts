import type { Peer } from '#contracts/ipc/replicator.ts';
import { version } from '#contracts/version.ts';
import type { Config } from '../config/schema.ts';
import type { Cause } from '../core/cause.ts';
import { preparedFor } from '../core/leadership/handing-over.ts';
import { type RoleState, servedEpoch } from '../core/leadership/state.ts';
import type { ClusterView, NodeRecord, PeerRecord } from '../core/records/records.ts';
import type { HealthFact, ResyncReport } from './ports.ts';

/** What this host tells the others in `nodes/<id>`. */
export function nodeRecordOf(options: {
  readonly config: Config;
  readonly state: RoleState;
  readonly ineligible: readonly Cause[];
  readonly health: readonly HealthFact[];
  readonly linkAddresses: readonly string[];
  readonly resync: ResyncReport | null;
}): NodeRecord {
  const { config, state, ineligible, health, linkAddresses, resync } = options;
  const { id: node, priority, noFailover } = config.node;
  const { position, caughtUp, configDigest, hostKeyFingerprints } = state.replicator;
  return {
    ...{ node, version, priority, noFailover, position, caughtUp, configDigest },
    hostKeyFingerprints: [...hostKeyFingerprints],
    settings: state.settings,
    linkAddresses: [...linkAddresses],
    preparedFor: preparedFor(state),
    serving: servedEpoch(state.phase),
    resync: resync && { ...resync },
    ineligible: [...ineligible],
    health: health
      .filter((fact) => fact.level !== 'ok')
      .map(({ name, level, code, detail }) => ({ name, level, code, detail })),
  };
}

/** `peers/<id>`; null until the replicator has told its key. */
export function peerRecordOf({ node, replication }: Config, publicKey: string | null): PeerRecord | null {
  const { address, port } = replication;
  return publicKey === null ? null : { node: node.id, address, port, publicKey };
}

/** The other hosts, as the replicator is told of them. */
export function peersIn({ nodes, peers }: ClusterView, self: string): Peer[] {
  const alive = new Set(nodes.map(({ node }) => node));
  return peers
    .filter(({ node }) => node !== self)
    .map(({ node, address, port, publicKey }) => ({
      nodeId: node,
      address,
      port,
      publicKey,
      alive: alive.has(node),
    }));
}
