import type { Check } from './violations.ts';

/**
 * What this release is known not to keep: it is counted and told, and fails no run. A release that keeps it takes its
 * row away, and the check counts from then on.
 */
export const knownNotToHold: Partial<Record<Check, string>> = {
  quarantine:
    'a comparison takes what clients renamed or removed while a host was away for what only that host had',
  'file-times':
    'a file whose size was set by SETSTAT, or whose writer was cut off, has the time of each host’s own clock',
  'folder-times': 'times of folders are not replicated',
  'link-times': 'times of symbolic links are not replicated',
  'hard-links': 'a catch-up copies each name of a file by itself',
};
