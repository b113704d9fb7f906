import { type Entry, sameTime, timeInDoubt } from './entry.ts';

/**
 * How much metadata may prove. `metadata`: a file of equal size and time is equal (catch-up of what lay still).
 * `content`: never, contents are compared (what just changed, and the scrub).
 */
export type Proof = 'metadata' | 'content';

/** What has to be done to make the local entry equal to the leader's. */
export type Verdict = 'equal' | 'attributes' | 'compare-contents' | 'replace';

export function compareEntries(local: Entry | null, wanted: Entry, proof: Proof): Verdict {
  if (local === null || local.type !== wanted.type) return 'replace';
  switch (wanted.type) {
    case 'link':
      return local.target === wanted.target ? 'equal' : 'replace';
    case 'directory':
      return local.mode === wanted.mode ? 'equal' : 'attributes';
    case 'file':
      if (local.size !== wanted.size) return 'replace';
      if (proof === 'content' || !sameTime(local, wanted) || sameTime(local, { ...local, ...timeInDoubt }))
        return 'compare-contents';
      return local.mode === wanted.mode ? 'equal' : 'attributes';
  }
}

/** Both sides' entries of one directory, by name. */
export function pairEntries(
  local: readonly Entry[],
  wanted: readonly Entry[],
): { pairs: { local: Entry | null; wanted: Entry }[]; extra: Entry[] } {
  const extra = new Map(local.map((entry) => [entry.name, entry]));
  const pairs = wanted.map((entry) => {
    const counterpart = extra.get(entry.name) ?? null;
    extra.delete(entry.name);
    return { local: counterpart, wanted: entry };
  });
  return { pairs, extra: [...extra.values()] };
}
