/**
 * The versions of the replication protocol that this release speaks, the newest first. A change of any message makes a
 * new one, with a row in the history of PROTOCOL.md; adjacent releases have one in common. The connection says which
 * one it is, by ALPN.
 */
export const spokenVersions: readonly number[] = [4];

const name = 'holdfast-replication';
const spoken = `${name} speaks `;

/**
 * What a dialer offers, by preference. The last one is no version: it says which ones there are. A listener that has
 * none of them selects it, so that each side gets to know what the other one speaks.
 */
export function offeredProtocols(versions: readonly number[]): string[] {
  return [...versions.map((version) => `${name}/${version}`), `${spoken}${versions.join(',')}`];
}

/** What a listener that speaks `versions` selects of an offer; undefined: it is of something else. */
export function selectProtocol(versions: readonly number[], offered: readonly string[]): string | undefined {
  const common = offeredProtocols([...versions].sort((a, b) => b - a)).slice(0, -1);
  return (
    common.find((protocol) => offered.includes(protocol)) ??
    offered.find((protocol) => protocol.startsWith(spoken))
  );
}

/** The version of a selected protocol; else, as text for people, what the dialer says it speaks. */
export function selectedVersion(protocol: string | false | null): number | string {
  if (typeof protocol !== 'string') return 'unknown';
  const [, version] = /^holdfast-replication\/(\d{1,4})$/.exec(protocol) ?? [];
  if (version !== undefined) return Number(version);
  return protocol
    .slice(spoken.length)
    .replaceAll(/[^0-9,]/g, '?')
    .replaceAll(',', ', ');
}
