import * as z from 'zod';
import { epochSchema, nodeIdSchema } from '#contracts/identities.ts';

/** Settings that every host of a cluster must have alike: name, as in holdfast.yaml, and value, as people read it. */
export const clusterSettingsSchema = z.record(z.string().max(64), z.string().max(1024));
export type ClusterSettings = Readonly<Record<string, string>>;

/**
 * `settings`, kept without a lease: what the last leader led with. A standby goes by it when that leader is gone, so that
 * a host that was configured otherwise does not take over meanwhile.
 */
export const settingsRecordSchema = z.object({
  node: nodeIdSchema,
  epoch: epochSchema,
  values: clusterSettingsSchema,
});
export type SettingsRecord = z.infer<typeof settingsRecordSchema>;

/** A setting that two hosts do not have alike. */
export interface SettingDifference {
  readonly name: string;
  readonly here: string;
  readonly there: string;
}

/** Names that one of them does not know are of another release of Holdfast, and differ from nothing. */
export function settingDifferences(here: ClusterSettings, there: ClusterSettings): SettingDifference[] {
  return Object.keys(here)
    .filter((name) => there[name] !== undefined && there[name] !== here[name])
    .map((name) => ({ name, here: here[name] ?? '', there: there[name] ?? '' }));
}
