/**
 * The protocol by which a door (an SFTP worker) asks the storage engine for changes. A change of any message raises the
 * version and adds a row to the history. The door says which versions it speaks; the engine takes the highest that both do.
 *
 * | version | what changed |
 * | ------- | ------------ |
 * | 1       | the first    |
 */
export const engineProtocol = { lowest: 1, highest: 1 } as const;

/** What a connection begins with: nothing else that finds this socket is taken for a door. */
export const engineMagic = Buffer.from('HFEN');

export interface VersionRange {
  readonly lowest: number;
  readonly highest: number;
}

/** null: there is none that both speak. */
export function commonVersion(ours: VersionRange, theirs: VersionRange): number | null {
  const version = Math.min(ours.highest, theirs.highest);
  return version >= Math.max(ours.lowest, theirs.lowest) ? version : null;
}
