import type { FromReplicator } from '#contracts/ipc/replicator.ts';
import type { FailedFiles } from './engine/failed-files.ts';
import { shownKey } from './tree/path.ts';

export type Status = Extract<FromReplicator, { type: 'status' }>;

const shortestMs = 100;
const standingMs = 1000;

/** @returns null when there are none */
export function failedFilesIn({ all }: FailedFiles): Status['failedFiles'] {
  const [first] = all;
  return first === undefined ? null : { files: all.length, first: shownKey(first.path) };
}

/** Sends the status at every change, at most ten times a second, and once a second anyway. */
export class StatusReporter {
  readonly #read: () => Status;
  readonly #send: (status: Status) => void;
  /** Runs for a moment after each report: changes within it are reported together at its end. */
  #quiet: NodeJS.Timeout | null = null;
  #pending = false;

  constructor(read: () => Status, send: (status: Status) => void) {
    this.#read = read;
    this.#send = send;
    setInterval(() => this.now(), standingMs).unref();
  }

  /** Something may have changed. */
  changed(): void {
    if (this.#quiet === null) this.now();
    else this.#pending = true;
  }

  /** For what somebody waits for: at once. */
  now(): void {
    this.#pending = false;
    this.#send(this.#read());
    if (this.#quiet !== null) clearTimeout(this.#quiet);
    this.#quiet = setTimeout(() => {
      this.#quiet = null;
      if (this.#pending) this.now();
    }, shortestMs);
  }
}
