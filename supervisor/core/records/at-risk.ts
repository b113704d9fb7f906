import * as z from 'zod';
import { epochSchema, nodeIdSchema } from '#contracts/identities.ts';
import { type HostAtRisk, hostAtRiskSchema } from '#contracts/ipc/at-risk.ts';

/** What a host lacked that was made to lead by force. */
const takenOverWithoutSchema = z.object({
  host: hostAtRiskSchema,
  /** As this leader told it, at that time; what was acknowledged later is not in it. */
  by: nodeIdSchema,
  at: z.string(),
  /** The leadership that began by force. */
  epoch: epochSchema,
});
export type TakenOverWithout = z.infer<typeof takenOverWithoutSchema>;

/**
 * `at-risk`, kept without a lease: which hosts may lack what was acknowledged, as the last leader told it. Hosts of the
 * in-sync set are not in it.
 */
export const atRiskRecordSchema = z.object({
  by: nodeIdSchema,
  epoch: epochSchema,
  /** Wall clock of that leader, ISO 8601; for people. */
  at: z.string(),
  hosts: z.array(hostAtRiskSchema),
  /** Of the last leadership that began by force on a host that may have lacked something; null: there was none. */
  takenOverWithout: takenOverWithoutSchema.nullable(),
});
export type AtRiskRecord = z.infer<typeof atRiskRecordSchema>;

/** `record` null: no leader has told yet, or what it told cannot be read. */
export interface AtRiskEntry {
  readonly record: AtRiskRecord | null;
  /** 0: there is no such key. */
  readonly modRevision: number;
}

/** Bytes of names as JSON, of all hosts and of the one that took over: values in etcd are bounded to 64 KiB. */
const maxNamesBytes = 32 * 1024;
const maxTakenOverBytes = 16 * 1024;

/** With as many names of each host as fit. */
export function withinBounds(hosts: readonly HostAtRisk[]): HostAtRisk[] {
  return hosts.map((host) => namedWithin(host, maxNamesBytes / hosts.length));
}

/** What a host lacked that took over, with as many names as fit beside those of the hosts. */
export function takenOverWithinBounds(host: HostAtRisk): HostAtRisk {
  return namedWithin(host, maxTakenOverBytes);
}

function namedWithin(host: HostAtRisk, maxBytes: number): HostAtRisk {
  let bytes = 0;
  const names = host.names.filter((name) => {
    bytes += Buffer.byteLength(JSON.stringify(name)) + 1;
    return bytes <= maxBytes;
  });
  return { ...host, names };
}
