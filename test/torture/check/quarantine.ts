import { existsSync } from 'node:fs';
import { shownPath } from '../history.ts';
import type { Violations } from '../violations.ts';
import { type DiskTree, readTree } from './disk-tree.ts';

export interface QuarantineCounts {
  readonly host: string;
  readonly files: number;
  /** Whose content was acknowledged at some time, so that it was in the leader's history. */
  readonly acknowledged: number;
}

/** Records that lie beside things, and what only passes through. */
const notSetAside = /^\.(staging|discarded)\/|^[^/]+\/\d{6,}\.json$|^[^/]+\.record\.json$/;

/** Holds only what was never in the leader's history; what has no bytes proves nothing. */
export function checkQuarantine(
  host: string,
  folder: string,
  acknowledgedContents: ReadonlySet<string>,
  violations: Violations,
): QuarantineCounts {
  const tree: DiskTree = existsSync(folder) ? readTree(folder) : new Map();
  const files = [...tree].filter(
    ([place, { kind, attributes }]) => kind === 'file' && attributes.size > 0 && !notSetAside.test(place),
  );
  const wrong = files.filter(([, { digest }]) => acknowledgedContents.has(digest));
  for (const [place] of wrong)
    violations.add('quarantine', `on ${host}: ${shownPath(place)} has a content that was acknowledged`);
  return { host, files: files.length, acknowledged: wrong.length };
}
