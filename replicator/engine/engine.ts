import type { Logger } from '#contracts/log.ts';
import { Preconditions } from '../apply/preconditions.ts';
import { Resolver } from '../apply/resolver.ts';
import { logStart } from '../core/position.ts';
import { emptyChain } from '../log/batch.ts';
import { ClientWork, type Followers, type Gate } from './client-work.ts';
import { FailedFileReplacement } from './failed-file-replacement.ts';
import { Following } from './following.ts';
import { Leading } from './leading.ts';
import { rememberLinks } from './link-walk.ts';
import type { EngineOptions } from './options.ts';
import { type Opened, recoverStore, type Start } from './recovery.ts';
import type { Store } from './store.ts';

/** How often files are closed that answers or changes of a moment ago have left open. */
const idleMs = 1000;

/** The storage engine of one host: it follows a leader, or leads, and recovers what it had. */
export class StorageEngine {
  readonly #options: EngineOptions;
  readonly #opened: Opened;
  readonly #replacement: FailedFileReplacement;
  #clients: ClientWork | null = null;
  #leading: Leading | null = null;
  #hasEnded = false;
  #idling: NodeJS.Timeout | undefined;

  private constructor(options: EngineOptions, opened: Opened) {
    this.#options = options;
    this.#opened = opened;
    this.#replacement = new FailedFileReplacement(opened.store);
  }

  /**
   * @throws HoldfastError ROOT_FOREIGN, FORMAT_UNKNOWN, LOG_UNWRITABLE, LOG_DISK_FULL; a damaged log is begun anew, with
   *   everything doubted
   */
  static async open(options: EngineOptions): Promise<StorageEngine> {
    const engine = new StorageEngine(options, await recoverStore(options));
    engine.store.checkpointWhenDue();
    engine.#idling = setInterval(() => engine.store.tree.closeIdle(), idleMs).unref();
    void rememberLinks(engine.store.tree, () => engine.#hasEnded);
    return engine;
  }

  /** How the last life of this host ended. */
  get start(): Start {
    return this.#opened.start;
  }

  get store(): Store {
    return this.#opened.store;
  }

  /** For a session with a leader; none while this host leads. */
  follow(): Following {
    this.stopLeading();
    return new Following(this.#opened);
  }

  /** As FailedFileReplacement.run. */
  replaceFailedFiles(logger: Logger): Promise<boolean> {
    return this.#replacement.run(logger);
  }

  /** From now on nothing counts of what this host has: all of it is compared with what a leader has. */
  async distrust(): Promise<void> {
    await this.#opened.beginAnew(logStart, emptyChain, []);
  }

  /**
   * Begins a leadership. Resolves when its first records, and all that was received before, are on the disk.
   * @param epoch higher than any in the log; or that of its last leadership, which goes on
   */
  async lead(epoch: number, node: string): Promise<Leading> {
    this.stopLeading();
    const leading = new Leading(this.store, epoch, node);
    this.#leading = leading;
    await this.store.flush();
    return leading;
  }

  /** What serves the clients of a leadership, until it is over. */
  serve(leading: Leading, gate: Gate, followers: Followers): ClientWork {
    const { store, directories, unlocked, dirty, roomListeners } = this.#opened;
    const preconditions = new Preconditions({
      places: { directories, unlocked },
      dirty,
      space: this.#options.space,
      credentials: this.#options.credentials,
      fileOf: (handle) => store.fileOf(handle),
    });
    this.#clients = new ClientWork({
      store,
      leading,
      resolver: new Resolver(directories),
      preconditions,
      gate,
      followers,
      onRoom: (proceed) => {
        roomListeners.add(proceed);
        return () => roomListeners.delete(proceed);
      },
      onFatal: this.#options.onFatal,
    });
    return this.#clients;
  }

  /** A follower has caught up: clients that were held back go on. */
  onFollowersRoom(): void {
    for (const proceed of this.#opened.roomListeners) proceed();
  }

  get isLeading(): boolean {
    return this.#leading !== null;
  }

  stopLeading(): void {
    this.#clients?.end();
    this.#clients = null;
    this.#leading?.end();
    this.#leading = null;
  }

  /** Lets go of everything as it is, as when the process dies; what is under way ends first. */
  async abandon(): Promise<void> {
    await this.#end(async () => this.store.log.abandon());
  }

  async #end(endLog: () => Promise<void>): Promise<void> {
    this.stopLeading();
    clearInterval(this.#idling);
    this.#hasEnded = true;
    const { store, dirty, unlocked, directories } = this.#opened;
    store.end();
    await store.settled();
    await store.flusher.close();
    await endLog();
    dirty.closeAll();
    unlocked.close();
    directories.close();
  }

  /** Flushes, and closes in order. */
  async close(): Promise<void> {
    await this.store.flush();
    await this.#end(() => this.store.log.close());
  }
}
