import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isInHostKeys } from '#contracts/config-root/names.ts';
import { codeOf } from '#contracts/errors.ts';
import type { ConfigProblem } from '#contracts/ipc/replicator.ts';
import type { Logger } from '#contracts/log.ts';
import { writeDurably } from '../state/durable-file.ts';
import type { FoundConfig } from './config-judge.ts';
import type { ConfigFile, ConfigSnapshot } from './snapshot.ts';

/** Told for so long: until somebody has looked at this host, as a rule. */
const toldForMs = 60 * 60_000;
const keptAtMost = 20;

export interface UndoneEditsOptions {
  readonly configRoot: string;
  /** Holds `overwritten/`, the last few versions that were overwritten. */
  readonly stateRoot: string;
  readonly log: Logger;
  /** Boot time, milliseconds. */
  readonly now: () => number;
  readonly wallClock: () => Date;
}

/** What is about to be overwritten on a host that does not lead. */
export interface Overwriting {
  readonly leader: string;
  readonly found: FoundConfig;
  readonly lastGood: readonly ConfigFile[];
  readonly snapshot: ConfigSnapshot;
  /** Where host keys that are replaced are kept anyway. */
  readonly hostKeysKeptIn: string;
}

/**
 * Files that were edited on a host that does not lead, where the leader's take their place: an operator who edited on
 * the wrong host is told so, and finds the edit again.
 */
export class UndoneEdits {
  readonly #options: UndoneEditsOptions;
  readonly #told = new Map<string, { readonly atMs: number; readonly problem: ConfigProblem }>();

  constructor(options: UndoneEditsOptions) {
    this.#options = options;
  }

  /** Those of the last hour. */
  get problems(): ConfigProblem[] {
    const sinceMs = this.#options.now() - toldForMs;
    for (const [path, { atMs }] of this.#told) if (atMs < sinceMs) this.#told.delete(path);
    return [...this.#told.values()].map(({ problem }) => problem);
  }

  /** Call before the leader's files are put in place. */
  keep(overwriting: Overwriting): void {
    const { configRoot, log, now } = this.#options;
    const { leader, found, hostKeysKeptIn } = overwriting;
    for (const path of editedPaths(overwriting)) {
      const file = found.files.find((one) => one.path === path);
      const isRemoved = file === undefined && !found.unreadable.has(path);
      const keptIn = isRemoved ? null : isInHostKeys(path) ? hostKeysKeptIn : this.#copy(path, file);
      const what = `${join(configRoot, path)} was ${isRemoved ? 'removed' : 'edited'} on this host and not on ${leader}, which leads`;
      const kept = keptIn === null ? '' : `; the edit is kept in ${keptIn}`;
      const sentence = `${what}: it is again as there; edit it on the host that leads${kept}`;
      log.warn({ code: 'CONFIG_EDIT_UNDONE', path, leader, keptIn }, sentence);
      this.#told.set(path, { atMs: now(), problem: { path, code: 'CONFIG_EDIT_UNDONE', sentence } });
    }
  }

  /** @returns where it is kept; null when that cannot be done, as for a file of another user */
  #copy(path: string, file: ConfigFile | undefined): string | null {
    const { configRoot, stateRoot, wallClock, log } = this.#options;
    const folder = join(stateRoot, 'overwritten');
    const time = wallClock().toISOString().replaceAll(/[:.]/g, '-');
    const copy = join(folder, `${time}-${path.replaceAll('/', '_')}`);
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      if (file === undefined) renameSync(join(configRoot, path), copy);
      else writeDurably(copy, Buffer.from(file.content, 'base64'), 0o600);
      const old = readdirSync(folder).sort().slice(0, -keptAtMost);
      for (const name of old) rmSync(join(folder, name), { force: true });
      return copy;
    } catch (error) {
      log.warn({ path, reason: codeOf(error) }, 'a file that is overwritten could not be kept');
      return null;
    }
  }
}

/**
 * Files that differ from the last good version, which came from a leader, were edited here. A file that is merely older
 * than the leader's still equals it.
 */
function editedPaths({ found, lastGood, snapshot }: Overwriting): string[] {
  const contentOf = (files: readonly ConfigFile[]) => new Map(files.map((file) => [file.path, file.content]));
  const [now, before, next] = [contentOf(found.files), contentOf(lastGood), contentOf(snapshot.files)];
  const paths = new Set([...now.keys(), ...found.unreadable.keys(), ...before.keys()]);
  return [...paths].filter((path) => {
    if (found.unreadable.has(path)) return true;
    return now.get(path) !== next.get(path) && now.get(path) !== before.get(path);
  });
}
