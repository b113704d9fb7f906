import { type Entry, type History, type Leadership, shownEntry, shownPath } from './history.ts';
import type { Violation } from './violations.ts';

/** Requests below a path that are told. */
const lastBelow = 20;
/** Names on a host that are told, and names of which the history is told. */
const maxListed = 30;
const maxFollowed = 4;

/**
 * How it came to a violation, as lines: the history of its path. Where the hosts were looked at, also the last requests
 * below it, what each host had there, and the history of the first names that were found.
 */
export function explained(
  { path, onHosts }: Violation,
  { history, startedAt }: { readonly history: History; readonly startedAt: number },
  led: readonly Leadership[] = [],
): string[] {
  if (path === null) return [];
  const shown = (entries: readonly Entry[]) => entries.map((entry) => shownEntry(entry, startedAt, led));
  const lines = shown(history.about(path));
  if (onHosts.length === 0) return lines;
  const below = history.below(path, lastBelow);
  if (below.length > 0) lines.push('below it:', ...shown(below).map(indented));
  for (const { host, what, names } of onHosts) lines.push(`on ${host}: ${what}${listed(names)}`);
  const found = [...new Set(onHosts.flatMap(({ names }) => names))];
  for (const name of found.slice(0, maxFollowed))
    lines.push(`${shownPath(name)} in it:`, ...shown(history.about(`${path}/${name}`)).map(indented));
  return lines;
}

function listed(names: readonly string[]): string {
  if (names.length === 0) return '';
  const more = names.length > maxListed ? ` and ${names.length - maxListed} more` : '';
  return ` with ${names.slice(0, maxListed).map(shownPath).join(' ')}${more}`;
}

function indented(line: string): string {
  return `  ${line}`;
}
