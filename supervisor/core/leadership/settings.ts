import type { Cause } from '../cause.ts';
import type { ClusterView } from '../records/records.ts';
import { type ClusterSettings, settingDifferences } from '../records/settings.ts';
import type { RoleState } from './state.ts';

/** The settings that count in the cluster, and who has them, for a sentence. */
interface SettingsInForce {
  readonly values: ClusterSettings;
  readonly whose: string;
}

/**
 * Why this host may not lead with the settings that it has; null when they are those in force, or none are known.
 *
 * In force is what the leader has. While nobody leads, it is what the last leader had, which etcd keeps: else a host that
 * was configured otherwise would take over as soon as it is alone. Unless every host of the in-sync set is there and they
 * have the same: then they were changed while all were stopped, and nobody else will come who has it otherwise. So hosts
 * that agree are never kept from leading; one that differs and is alone waits for the others, or for an operator's word
 * (`failover --force`). A record that is missing or cannot be read bars nobody: it guards against mistakes, and no
 * guarantee rests on it.
 */
export function settingsCause(state: RoleState): Cause | null {
  const inForce = settingsInForce(state);
  if (inForce === null) return null;
  const differences = settingDifferences(state.settings, inForce.values);
  if (differences.length === 0) return null;
  const told = differences.map(
    ({ name, here, there }) => `${name} is ${here} here and ${there} ${inForce.whose}`,
  );
  return { code: 'SETTINGS_DIFFER', sentence: told.join('; ') };
}

function settingsInForce(state: RoleState): SettingsInForce | null {
  const { cluster, nodeId } = state;
  if (cluster === null) return null;
  const { leader } = cluster;
  if (leader?.node === nodeId) return null;
  const told = leader === null ? unanimous(state, cluster) : leaders(cluster, leader.node);
  if (told !== null) return told;
  const { settings } = cluster;
  return settings && { values: settings.values, whose: `on ${settings.node}, which led last` };
}

function leaders({ nodes }: ClusterView, leader: string): SettingsInForce | null {
  const values = nodes.find(({ node }) => node === leader)?.settings ?? {};
  return isKnown(values) ? { values, whose: `on ${leader}, which leads` } : null;
}

function unanimous({ nodeId, settings }: RoleState, { inSync, nodes }: ClusterView): SettingsInForce | null {
  const members = inSync?.members ?? [];
  const all = members.map((member) =>
    member === nodeId ? settings : (nodes.find(({ node }) => node === member)?.settings ?? {}),
  );
  const [first] = all;
  if (first === undefined || !all.every((values) => isKnown(values))) return null;
  if (all.some((values) => settingDifferences(values, first).length > 0)) return null;
  return { values: first, whose: `on every host of the in-sync set {${members.join(', ')}}` };
}

function isKnown(values: ClusterSettings): boolean {
  return Object.keys(values).length > 0;
}

/** Whether etcd does not say yet what this host leads with. */
export function settingsAreUntold({ settings, cluster }: RoleState): boolean {
  const told = cluster?.settings?.values ?? {};
  const names = new Set([...Object.keys(settings), ...Object.keys(told)]);
  return isKnown(settings) && [...names].some((name) => settings[name] !== told[name]);
}
