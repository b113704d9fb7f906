import type { Check } from './violations.ts';

/**
 * What this release is known not to keep: it is counted and told, and fails no run. A release that keeps it takes its
 * row away, and the check counts from then on.
 */
export const knownNotToHold: Partial<Record<Check, string>> = {
  quarantine:
    'after power loss, or when a log was lost, a comparison takes what clients removed meanwhile for what only that host had',
  'file-times':
    'a file whose size was set by SETSTAT, or whose writer was cut off, has the time of each host’s own clock',
  'folder-times': 'times of folders are not replicated',
};
