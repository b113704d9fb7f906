/**
 * A segment file is named by the offset at which it begins and by its marker, so that its entries can be told from
 * anything else when its header is damaged: `0000000000a01f28-5be1c09f.segment`.
 */
export interface SegmentName {
  readonly base: number;
  readonly marker: number;
}

const pattern = /^([0-9a-f]{16})-([0-9a-f]{8})\.segment$/;
/** A file that is not part of the log yet. */
export const unfinishedSuffix = '.new';

export function segmentName({ base, marker }: SegmentName): string {
  return `${base.toString(16).padStart(16, '0')}-${marker.toString(16).padStart(8, '0')}.segment`;
}

/** null for any other file. */
export function parseSegmentName(name: string): SegmentName | null {
  const match = pattern.exec(name);
  if (match === null) return null;
  const base = Number.parseInt(match[1] ?? '', 16);
  return Number.isSafeInteger(base) ? { base, marker: Number.parseInt(match[2] ?? '', 16) } : null;
}
