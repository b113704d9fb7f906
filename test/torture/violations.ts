import type { OnHost } from './check/on-hosts.ts';

/** What is checked. Each can be known not to hold in this release: expectations.ts. */
export const checks = [
  'acknowledged', // what was acknowledged is there, as it was acknowledged
  'answers', // what must be refused is refused; what must be possible is not said to be missing
  'shared', // what several clients did at once in one folder came out as one order of them
  'equal-trees', // names, types, modes, bytes and targets are the same on all hosts
  'file-times', // so are the times of files
  'folder-times',
  'link-times',
  'hard-links', // names of one file are names of one file on every host
  'quarantine', // nothing in it was ever acknowledged
  'one-address', // at no time two hosts had the virtual IP
  'in-turn', // hosts answered and acknowledged one after the other, as they led
  'service', // after each fault the service came back, with all hosts in sync
] as const;
export type Check = (typeof checks)[number];

export interface Violation {
  readonly check: Check;
  readonly atMs: number;
  readonly what: string;
  /** From the user's home, where it is about one. */
  readonly path: string | null;
  /** What the hosts had there, where they were looked at. */
  readonly onHosts: readonly OnHost[];
}

const maxKept = 500;
/** Wrong answers about which the hosts are looked at. */
const maxLooks = 5;

export class Violations {
  readonly list: Violation[] = [];
  readonly counts = new Map<Check, number>();
  /** Called for the first few. */
  onFound: (violation: Violation) => void = () => {};
  /** What the hosts have at a path now. Asked when an answer was wrong, for the first few. */
  look: (path: string) => OnHost[] = () => [];

  add(check: Check, what: string, path: string | null = null): void {
    const count = (this.counts.get(check) ?? 0) + 1;
    const onHosts = check === 'answers' && path !== null && count <= maxLooks ? this.look(path) : [];
    const violation = { check, atMs: Date.now(), what, path, onHosts };
    this.counts.set(check, count);
    if (this.list.length < maxKept) this.list.push(violation);
    this.onFound(violation);
  }
}
