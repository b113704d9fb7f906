import { join } from 'node:path';
import { checkHostKey, checkHostKeyMode } from '#contracts/config-root/host-key.ts';
import { lastGoodRoot, sentenceOf } from '#contracts/config-root/last-good.ts';
import { isHostKey, isNeeded, usersFile } from '#contracts/config-root/names.ts';
import { type LeftOut, parseUsersFile } from '#contracts/config-root/users-file.ts';
import { HoldfastError } from '#contracts/errors.ts';
import type { ConfigProblem } from '#contracts/ipc/replicator.ts';
import { type ConfigFile, type ConfigSnapshot, type FoundFile, readConfig, snapshotOf } from './snapshot.ts';

/** The config root as it lies on the disk of this host. */
export interface FoundConfig {
  readonly files: readonly FoundFile[];
  readonly unreadable: ReadonlyMap<string, HoldfastError>;
}

/** What of the config root may be used, and told to others. */
export interface ConfigInForce {
  readonly snapshot: ConfigSnapshot;
  readonly problems: readonly ConfigProblem[];
}

/**
 * Judges the config root file by file, for what is replicated and for what is told of it. The SFTP node judges alike
 * when it starts. In the place of a file that is no good, or of users or host keys that are gone, stands its last good
 * version, so that a mistake on the leader stays on the leader (G7).
 */
export class ConfigJudge {
  readonly #root: string;
  /** A users file may be large: it is parsed once. Two are known, the one on the disk and the last good one. */
  readonly #parsed = new Map<string, UsersVerdict>();

  constructor(configRoot: string) {
    this.#root = configRoot;
  }

  /** @throws HoldfastError CONFIG_TOO_LARGE, CONFIG_UNREADABLE of a folder */
  find(): FoundConfig {
    const unreadable = new Map<string, HoldfastError>();
    const { files } = readConfig(this.#root, (path, problem) => unreadable.set(path, problem));
    return { files, unreadable };
  }

  /** The last good versions; what of them cannot be read is none. */
  lastGood(): readonly ConfigFile[] {
    try {
      return readConfig(lastGoodRoot(this.#root), () => {}).files;
    } catch {
      return [];
    }
  }

  inForce({ files, unreadable }: FoundConfig): ConfigInForce {
    const found = new Map(files.map((file) => [file.path, file]));
    const lastGood = new Map(this.lastGood().map((file) => [file.path, file]));
    const lasting = [...lastGood.keys()].filter(isNeeded);
    const paths = [...new Set([...found.keys(), ...unreadable.keys(), ...lasting])];
    const inForce: ConfigFile[] = [];
    const problems: ConfigProblem[] = [];
    for (const path of paths.sort((a, b) => (a < b ? -1 : 1))) {
      const file = found.get(path);
      const problem = this.#unreadable(path, unreadable) ?? this.#problemOf(path, file);
      const good = problem === null ? file : this.#goodOrNone(lastGood.get(path));
      if (good !== undefined) inForce.push(good);
      if (problem !== null) {
        problems.push({ path, code: problem.code, sentence: sentenceOf(problem, good !== undefined) });
      } else if (path === usersFile && file !== undefined) problems.push(...this.#leftOut(file));
    }
    return { snapshot: snapshotOf(inForce), problems };
  }

  /** Whether every file may be used as it is. */
  isGood(files: readonly ConfigFile[]): boolean {
    return files.every((file) => this.#goodOrNone(file) !== undefined);
  }

  #goodOrNone(file: ConfigFile | undefined): ConfigFile | undefined {
    if (file === undefined) return undefined;
    return this.#problemOf(file.path, { ...file, foundMode: file.mode }) === null ? file : undefined;
  }

  #unreadable(path: string, unreadable: FoundConfig['unreadable']): HoldfastError | null {
    const problem = unreadable.get(path);
    if (problem === undefined) return null;
    if (path === usersFile) return new HoldfastError('USERS_UNREADABLE', problem.message, { cause: problem });
    if (isHostKey(path)) return new HoldfastError('HOST_KEY_UNREADABLE', problem.message, { cause: problem });
    return problem;
  }

  #problemOf(path: string, file: FoundFile | undefined): HoldfastError | null {
    const full = join(this.#root, path);
    const gone = `${full} is gone, or is no regular file`;
    if (path === usersFile) {
      return file === undefined
        ? new HoldfastError('USERS_UNREADABLE', gone)
        : this.#judgeUsers(file).problem;
    }
    if (!isHostKey(path)) return null;
    if (file === undefined) return new HoldfastError('HOST_KEY_UNREADABLE', gone);
    return problemIn(() => {
      checkHostKeyMode(full, file.foundMode);
      checkHostKey(full, Buffer.from(file.content, 'base64'));
    });
  }

  #leftOut(file: ConfigFile): ConfigProblem[] {
    const { leftOut } = this.#judgeUsers(file);
    return leftOut.map(({ sentence }) => ({ path: usersFile, code: 'USER_LEFT_OUT', sentence }));
  }

  #judgeUsers({ path, content }: ConfigFile): UsersVerdict {
    const file = join(this.#root, path);
    const known = this.#parsed.get(content);
    if (known !== undefined) return known;
    let leftOut: readonly LeftOut[] = [];
    const problem = problemIn(() => {
      leftOut = parseUsersFile(Buffer.from(content, 'base64').toString('utf8'), file).leftOut;
    });
    const verdict = { problem, leftOut };
    for (const oldest of [...this.#parsed.keys()].slice(0, -1)) this.#parsed.delete(oldest);
    this.#parsed.set(content, verdict);
    return verdict;
  }
}

interface UsersVerdict {
  readonly problem: HoldfastError | null;
  readonly leftOut: readonly LeftOut[];
}

function problemIn(check: () => void): HoldfastError | null {
  try {
    check();
    return null;
  } catch (error) {
    if (error instanceof HoldfastError) return error;
    throw error;
  }
}
