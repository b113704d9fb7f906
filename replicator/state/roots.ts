import { randomUUID } from 'node:crypto';
import { opendirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { lastGoodRoot } from '#contracts/config-root/last-good.ts';
import { hostKeyFolder, isPrivateKey } from '#contracts/config-root/names.ts';
import { HoldfastError, messageOf } from '#contracts/errors.ts';
import type { Position } from '#contracts/identities.ts';
import type { ReplicatorSettings } from '#contracts/ipc/replicator.ts';
import type { Logger } from '#contracts/log.ts';
import {
  commonRootId,
  type RootName,
  type RootRecord,
  type RootReport,
  type RootsReport,
  rootIdsOf,
  rootRecordFile,
  rootRecordSchema,
} from '#contracts/roots.ts';
import { writeDurablyInBackground } from './durable-file.ts';
import { Newcomer } from './newcomer.ts';

type Settings = Pick<
  ReplicatorSettings,
  'cluster' | 'nodeId' | 'mode' | 'filesRoot' | 'configRoot' | 'stateRoot'
>;

/** The state is written last: the other roots are then at its revision, or one further when a crash came between. */
const writingOrder = ['data', 'config', 'state'] as const;

/** Rollbacks of a root are noticed by so much; each writing costs six flushes. */
const refreshAfterMs = 60_000;

/**
 * The identity records of this host's roots. They are read at the start, judged by the supervisor, which also knows
 * what etcd says, and kept up to date only once it has confirmed them: a newcomer's stay as they are until it is
 * admitted, so that it stays a newcomer whenever it is started again.
 */
export class Roots {
  readonly #settings: Settings;
  readonly #log: Logger;
  readonly #now: () => number;
  #report: RootsReport;
  /** The supervisor has confirmed these very roots. */
  #inForce = false;
  /** All of them is compared with a leader before they count. */
  #areCompared: boolean;
  #writing = false;
  #writtenAtMs: number;

  /** @param now boot time, milliseconds */
  constructor(settings: Settings, log: Logger, now: () => number) {
    this.#settings = settings;
    this.#log = log;
    this.#now = now;
    this.#writtenAtMs = now();
    this.#report = this.#look();
    this.#areCompared = new Newcomer(settings.stateRoot).hasBegun(rootIdsOf(this.#report));
  }

  get report(): RootsReport {
    return this.#areCompared ? { ...this.#report, areCompared: true } : this.#report;
  }

  get inForce(): boolean {
    return this.#inForce;
  }

  /** The supervisor says that the roots with this id may be relied on. @returns whether these are the ones */
  confirm(id: string): boolean {
    this.#inForce = commonRootId(this.#report) === id;
    if (this.#inForce) this.#areCompared = false;
    return this.#inForce;
  }

  /** What this host holds counts for nothing until it is admitted anew. */
  distrust(): void {
    this.#inForce = false;
    this.#areCompared = true;
  }

  /** Gives all roots a new identity, unless they have others by now than those that it is to replace. */
  async admit(replaces: string, at: number, held: Position): Promise<void> {
    if (this.#writing || rootIdsOf(this.#report) !== replaces) return;
    if (this.#isUnmountedShare()) return;
    const id = randomUUID();
    this.#log.info({ id, replaces }, 'the roots of this host get their identity');
    await this.#write((name) => ({ ...this.#fresh(name), id, admittedAt: at, held, revision: 1 }));
    this.#inForce = true;
    this.#areCompared = false;
  }

  /**
   * Looks whether the roots are still where they were, and brings their records up to date.
   * @throws HoldfastError ROOT_EMPTY when a root is not the one any more that this process began with
   */
  async refresh(held: Position): Promise<void> {
    if (this.#writing) return;
    if (!this.#inForce) {
      this.#report = this.#look();
      return;
    }
    this.#checkPlaces();
    const { record } = this.#report.state;
    if (record === null || !this.#isDue(record, held)) return;
    // Counted from the state: when it cannot be written, as on a full disk, the others must not run ahead of it.
    const revision = record.revision + 1;
    const { id, admittedAt } = record;
    await this.#write((name) => {
      const fresh = this.#fresh(name);
      const holdsFiles = fresh.holdsFiles || this.#report[name].record?.holdsFiles === true;
      return { ...fresh, holdsFiles, id, admittedAt, held, revision };
    });
  }

  #isDue(record: RootRecord, held: Position): boolean {
    const holdsMore = writingOrder.some(
      (name) => this.#report[name].record?.holdsFiles === false && !this.#isEmpty(name),
    );
    if (holdsMore || held.epoch !== record.held.epoch) return true;
    return held.sequence !== record.held.sequence && this.#now() - this.#writtenAtMs >= refreshAfterMs;
  }

  async #write(recordOf: (name: RootName) => RootRecord): Promise<void> {
    this.#writing = true;
    try {
      let report = this.#report;
      for (const name of writingOrder) {
        const record = recordOf(name);
        await writeDurablyInBackground(this.#recordPath(name), `${JSON.stringify(record)}\n`, 0o600);
        report = { ...report, [name]: this.#reportOf(name, record) };
      }
      // Not one by one: roots of which some have their identity are taken for lost ones.
      this.#report = report;
      this.#writtenAtMs = this.#now();
    } finally {
      this.#writing = false;
    }
  }

  #fresh(name: RootName): Pick<RootRecord, 'format' | 'cluster' | 'host' | 'root' | 'holdsFiles' | 'place'> {
    const { cluster, nodeId: host } = this.#settings;
    const place = placeOf(this.#path(name));
    return { format: 1, cluster, host, root: name, holdsFiles: !this.#isEmpty(name), place };
  }

  #look(): RootsReport {
    const found = (name: RootName) => this.#reportOf(name, this.#read(name));
    return { data: found('data'), config: found('config'), state: found('state') };
  }

  #reportOf(name: RootName, record: RootRecord | null): RootReport {
    const path = this.#path(name);
    return { path, record, isEmpty: this.#isEmpty(name), place: placeOf(path) };
  }

  #read(name: RootName): RootRecord | null {
    const path = this.#recordPath(name);
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw new HoldfastError('ROOT_UNUSABLE', `${path} cannot be read`, { cause: error });
    }
    try {
      const record = rootRecordSchema.parse(JSON.parse(text));
      return record.root === name ? record : null;
    } catch (error) {
      this.#log.error({ path, reason: messageOf(error) }, 'the identity record of a root is damaged');
      return null;
    }
  }

  /**
   * A root that was unmounted, replaced or emptied under a running process is not what it was. Clients cannot do that:
   * the homes of users stay when all that is in them goes.
   */
  #checkPlaces(): void {
    for (const name of writingOrder) {
      const { path, place, record } = this.#report[name];
      const now = placeOf(path);
      const what =
        now === ''
          ? 'is not there any more'
          : now !== place
            ? 'is not the folder any more that it was'
            : record?.holdsFiles === true && this.#isEmpty(name)
              ? 'was emptied'
              : null;
      if (what !== null) throw new HoldfastError('ROOT_EMPTY', `the ${name} root ${path} ${what}`);
    }
  }

  /** With shared storage the files may be in place again later, and nothing copies them from another host. */
  #isUnmountedShare(): boolean {
    const { record } = this.#report.data;
    return this.#settings.mode === 'shared' && record?.holdsFiles === true && this.#isEmpty('data');
  }

  /** The configuration is what the host keys make of it: without them a leader would be another one to clients. */
  #isEmpty(name: RootName): boolean {
    if (name === 'state') return false;
    const { configRoot } = this.#settings;
    if (name === 'config') return !hasHostKeys(configRoot) && !hasHostKeys(lastGoodRoot(configRoot));
    return isEmptyFolder(this.#settings.filesRoot);
  }

  #path(name: RootName): string {
    const { filesRoot, configRoot, stateRoot } = this.#settings;
    return name === 'data' ? filesRoot : name === 'config' ? configRoot : stateRoot;
  }

  /**
   * The record of the data lies beside the files, where no client comes. Storage that all hosts share belongs to none
   * of them: what this host remembers of it is in its state.
   */
  #recordPath(name: RootName): string {
    if (name !== 'data') return join(this.#path(name), rootRecordFile);
    const { mode, filesRoot, stateRoot } = this.#settings;
    return mode === 'shared'
      ? join(stateRoot, '.holdfast-data.json')
      : join(dirname(filesRoot), rootRecordFile);
  }
}

function hasHostKeys(configRoot: string): boolean {
  try {
    return readdirSync(join(configRoot, hostKeyFolder)).some((name) =>
      isPrivateKey(`${hostKeyFolder}/${name}`),
    );
  } catch (error) {
    // What cannot be read is there.
    return (error as NodeJS.ErrnoException).code !== 'ENOENT';
  }
}

function isEmptyFolder(path: string): boolean {
  const folder = opendirSync(path);
  try {
    for (let entry = folder.readSync(); entry !== null; entry = folder.readSync()) {
      // Made with the file system, and never by a client.
      if (entry.name !== 'lost+found') return false;
    }
    return true;
  } finally {
    folder.closeSync();
  }
}

/** Empty when it is not there; a disk that answers with errors is another matter. */
function placeOf(path: string): string {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
