import { isIPv4, SocketAddress } from 'node:net';
import type { VipAddress } from './addresses.ts';
import type { Config } from './schema.ts';

/**
 * The settings that must be alike on every host, since clients, or the promise that they were given, would be left behind
 * by a host that takes over with others. A host that differs does not lead by itself (SETTINGS_DIFFER).
 *
 * Not among them: what is a host's own (its names, addresses, folders, interfaces, how an address is moved, what makes it
 * unfit), and what changes nothing of the service (`replication.syncTimeout`, `replication.resyncRate`,
 * `replication.scrub`, `etcd.*`, `log.*`).
 * A row that is added later bars nobody while an older release does not tell it.
 */
const rows: readonly { readonly name: string; readonly of: (config: Config) => string }[] = [
  { name: 'replication.mode', of: ({ replication }) => replication.mode },
  { name: 'replication.strict', of: ({ replication }) => String(replication.strict) },
  {
    name: 'vips',
    of: ({ vips }) =>
      vips
        .map((vip) => canonical(vip.address))
        .sort()
        .join(', '),
  },
  { name: 'sftp.port', of: ({ sftp }) => String(sftp.port) },
  { name: 'sftp.listen', of: ({ sftp }) => familyOf(sftp.listen) },
  { name: 'lease.ttl', of: ({ lease }) => `${lease.ttl}ms` },
  { name: 'lease.renewEvery', of: ({ lease }) => `${lease.renewEvery}ms` },
  { name: 'lease.margin', of: ({ lease }) => `${lease.margin}ms` },
];

export const clusterSettingNames: readonly string[] = rows.map(({ name }) => name);

/** What this host has, by name. */
export function clusterSettingsOf(config: Config): Record<string, string> {
  return Object.fromEntries(rows.map(({ name, of }) => [name, of(config)]));
}

/** Without the prefix length, which belongs to the network of the host. */
function canonical({ address, family }: VipAddress): string {
  return new SocketAddress({ address, family: family === 4 ? 'ipv4' : 'ipv6' }).address;
}

/** A host may listen on an address of its own; what clients notice is the protocol. */
function familyOf(listen: string): string {
  if (listen === '::') return 'IPv4 and IPv6';
  return isIPv4(listen) ? 'IPv4' : 'IPv6';
}
