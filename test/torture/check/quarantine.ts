import { existsSync } from 'node:fs';
import { shownPath } from '../history.ts';
import type { Violations } from '../violations.ts';
import { readTree } from './disk-tree.ts';

export interface QuarantineCounts {
  readonly host: string;
  readonly files: number;
  /** Whose content was acknowledged at some time, so that it was in the leader's history. */
  readonly acknowledged: number;
}

/** Holds only what was never in the leader's history; what has no bytes proves nothing. */
export function checkQuarantine(
  host: string,
  folder: string,
  acknowledgedContents: ReadonlySet<string>,
  violations: Violations,
): QuarantineCounts {
  const tree = existsSync(folder) ? readTree(folder) : new Map();
  const files = [...tree].filter(
    ([path, { kind, attributes }]) => kind === 'file' && attributes.size > 0 && !path.startsWith('.staging/'),
  );
  const wrong = files.filter(([, { digest }]) => acknowledgedContents.has(digest));
  for (const [path] of wrong) {
    const [folderOfEpoch = '', ...rest] = path.split('/');
    violations.add(
      'quarantine',
      `on ${host} in ${shownPath(folderOfEpoch)}: a content that was acknowledged`,
      rest.slice(1).join('/'),
    );
  }
  return { host, files: files.length, acknowledged: wrong.length };
}
