import type { HostAtRisk } from '#contracts/ipc/at-risk.ts';
import type { ReplicatorSettings } from '#contracts/ipc/replicator.ts';
import type { TakenOverWithout } from '../core/records/at-risk.ts';
import type { Clock, ClusterStore } from '../runtime/ports.ts';
import type { Supervisor } from '../runtime/supervisor.ts';

/** Which hosts may lack what was acknowledged: what `holdfast replication at-risk` shows. */
export interface AtRiskAnswer {
  readonly mode: ReplicatorSettings['mode'];
  /** Who leads; null: nobody does. */
  readonly leader: string | null;
  readonly inSync: readonly string[];
  /** Who says so, and when, by its wall clock; null: nobody has said anything yet. */
  readonly told: { readonly by: string; readonly at: string; readonly ageMs: number } | null;
  /** Whether it is of this moment, from this host, which leads. */
  readonly isLive: boolean;
  readonly hosts: readonly HostAtRisk[];
  /** What the host of the last forced failover may have lacked. */
  readonly takenOverWithout: TakenOverWithout | null;
}

/**
 * On the leader as of now, elsewhere as the leader told it last.
 * @throws HoldfastError ETCD_UNREACHABLE; REPLICATOR_DOWN, REPLICATOR_SILENT on a host that leads
 */
export async function atRiskOf(
  { state, replicator, config }: Pick<Supervisor, 'state' | 'replicator' | 'config'>,
  store: Pick<ClusterStore, 'read' | 'readAtRisk'>,
  clock: Clock,
): Promise<AtRiskAnswer> {
  const { leader, inSync } = await store.read();
  const { record } = await store.readAtRisk();
  const common = {
    mode: config.replication.mode,
    leader: leader?.node ?? null,
    inSync: inSync?.members ?? [],
    takenOverWithout: record?.takenOverWithout ?? null,
  };
  const isHere = state.phase.name === 'leading' && leader?.node === config.node.id;
  const hosts = isHere ? await replicator.askAtRisk() : null;
  const now = clock.wallTimeIso();
  if (hosts !== null)
    return { ...common, told: { by: config.node.id, at: now, ageMs: 0 }, isLive: true, hosts };
  if (record === null) return { ...common, told: null, isLive: false, hosts: [] };
  const ageMs = Date.parse(now) - Date.parse(record.at);
  return { ...common, told: { by: record.by, at: record.at, ageMs }, isLive: false, hosts: record.hosts };
}
