import { isDeepStrictEqual } from 'node:util';
import { hostKeyFolder } from '#contracts/config-root/names.ts';
import { codeOf, messageOf } from '#contracts/errors.ts';
import type { ConfigProblem } from '#contracts/ipc/replicator.ts';
import { appliedDigest, applyConfig, keptOf } from './apply.ts';
import { ConfigJudge, type FoundConfig } from './config-judge.ts';
import { FolderWatch } from './folder-watch.ts';
import { hostKeyFingerprints } from './host-keys.ts';
import { keepLastGood } from './last-good.ts';
import { type ConfigFile, type ConfigSnapshot, snapshotOf } from './snapshot.ts';
import { UndoneEdits, type UndoneEditsOptions } from './undone-edits.ts';

const rescanMs = 10_000;
/** Editors write a file in several steps. */
const settleMs = 50;
/** A file that could not be read comes without notice once it can: its owner has changed, nothing else. */
const retryMs = 500;
/** The path of a problem that concerns no file alone. */
const wholeRoot = '.';

export interface ConfigRootOptions extends UndoneEditsOptions {
  readonly onChange: () => void;
}

/** The config root of this host, watched: by the kernel's notices, and by a look now and then for lost ones. */
export class ConfigRoot {
  readonly path: string;
  readonly #options: ConfigRootOptions;
  readonly #judge: ConfigJudge;
  readonly #undone: UndoneEdits;
  #snapshot: ConfigSnapshot = { digest: '', files: [] };
  #problems: readonly ConfigProblem[] = [];
  /** What lies on the disk, with the modes there; null when a part cannot be read. */
  #found: ConfigSnapshot | null = null;
  #fingerprints: string[] = [];
  readonly #watch: FolderWatch;
  #pending: NodeJS.Timeout | null = null;

  constructor(options: ConfigRootOptions) {
    this.path = options.configRoot;
    this.#options = options;
    this.#judge = new ConfigJudge(this.path);
    this.#undone = new UndoneEdits(options);
    this.#read();
    this.#watch = new FolderWatch(this.path, [hostKeyFolder], () => this.#readIn(settleMs));
    setInterval(() => {
      this.#watch.renew();
      this.refresh();
    }, rescanMs).unref();
  }

  /** What is in force: files that may not be used are in it as they were last good (G7). */
  get snapshot(): ConfigSnapshot {
    return this.#snapshot;
  }

  /** What of the config root is not in force, or was undone, and why. */
  get problems(): ConfigProblem[] {
    return [...this.#problems, ...this.#undone.problems];
  }

  get fingerprints(): string[] {
    return this.#fingerprints;
  }

  /** Whether these files lie on the disk, in force or not, and no others but those that are never removed. */
  consistsOf(leader: ConfigSnapshot): boolean {
    return this.#found !== null && appliedDigest(this.#found, leader) === leader.digest;
  }

  /** Whether there are host keys that cannot be used, or may be: then it is not for a machine to make others. */
  get mayLackHostKeys(): boolean {
    return this.#problems.some(({ path, code }) => path === wholeRoot || code.startsWith('HOST_KEY_'));
  }

  /** Reads it now. */
  refresh(): void {
    if (this.#read()) this.#options.onChange();
  }

  /** This host leads, so what is in force here is what the cluster starts from. */
  keepLastGood(): void {
    this.#keep(this.#snapshot);
  }

  /**
   * Makes the config root equal to the leader's.
   * @param keepIn where host keys of this host that are replaced are kept
   * @returns their paths
   * @throws HoldfastError as `applyConfig`
   */
  adopt(snapshot: ConfigSnapshot, leader: string, keepIn: string): string[] {
    const found = this.#judge.find();
    const lastGood = this.#judge.lastGood();
    const staying = new Set(keptOf(found, snapshot));
    const kept = found.files.filter((file) => staying.has(file.path));
    const next = withFiles(snapshot, kept);
    this.#undone.keep({ leader, found, lastGood, snapshot: next, hostKeysKeptIn: keepIn });
    const replaced = applyConfig(this.path, snapshot, keepIn);
    if (this.#judge.isGood(snapshot.files)) {
      this.#keep(
        withFiles(
          snapshot,
          kept.filter((file) => this.#judge.isGood([file])),
        ),
      );
    }
    this.refresh();
    return replaced;
  }

  #keep(snapshot: ConfigSnapshot): void {
    try {
      keepLastGood(this.path, snapshot);
    } catch (error) {
      this.#options.log.error(
        { code: 'CONFIG_UNREADABLE', reason: messageOf(error) },
        `the configuration in force could not be kept in ${this.path}/.last-good`,
      );
    }
  }

  /** Whether anything is other than before. */
  #read(): boolean {
    const before = [this.#snapshot.digest, this.#found?.digest, this.#problems];
    try {
      const found = this.#judge.find();
      const { snapshot, problems } = this.#judge.inForce(found);
      this.#found = foundSnapshot(found);
      this.#tell(problems);
      this.#use(snapshot);
      if (found.unreadable.size > 0) this.#readIn(retryMs);
    } catch (error) {
      // The whole of it cannot be judged: what was in force stays, and at a start what was last good.
      const sentence = `${messageOf(error)}; the last good configuration is in force as a whole`;
      this.#found = null;
      this.#tell([{ path: wholeRoot, code: codeOf(error), sentence }]);
      if (this.#snapshot.digest === '') this.#use(snapshotOf(this.#judge.lastGood()));
      this.#readIn(retryMs);
    }
    return !isDeepStrictEqual(before, [this.#snapshot.digest, this.#found?.digest, this.#problems]);
  }

  #use(snapshot: ConfigSnapshot): void {
    if (snapshot.digest === this.#snapshot.digest) return;
    this.#snapshot = snapshot;
    this.#fingerprints = hostKeyFingerprints(snapshot);
  }

  /** Each is in the log once when it comes, and once when it goes. */
  #tell(problems: readonly ConfigProblem[]): void {
    const { log } = this.#options;
    const isNew = ({ sentence }: ConfigProblem) => !this.#problems.some((one) => one.sentence === sentence);
    for (const { path, code, sentence } of problems.filter(isNew).slice(0, 20)) {
      log.error({ code, path }, sentence);
    }
    for (const path of new Set(this.#problems.map((problem) => problem.path))) {
      if (!problems.some((problem) => problem.path === path)) log.info({ path }, `${path} is in force again`);
    }
    this.#problems = problems;
  }

  #readIn(delayMs: number): void {
    this.#pending ??= setTimeout(() => {
      this.#pending = null;
      this.refresh();
    }, delayMs).unref();
  }
}

function foundSnapshot({ files: found, unreadable }: FoundConfig): ConfigSnapshot | null {
  if (unreadable.size > 0) return null;
  return snapshotOf(found.map((file) => ({ ...file, mode: file.foundMode })));
}

function withFiles(snapshot: ConfigSnapshot, more: readonly ConfigFile[]): ConfigSnapshot {
  return snapshotOf([...snapshot.files, ...more]);
}
