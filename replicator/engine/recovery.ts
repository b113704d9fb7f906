import { closeSync, rmSync } from 'node:fs';
import { HoldfastError, messageOf } from '#contracts/errors.ts';
import { Directories } from '../apply/directories.ts';
import { DirtyFiles } from '../apply/dirty-files.ts';
import { FlushFailure } from '../apply/flushable.ts';
import { Flusher } from '../apply/flusher.ts';
import { Unlocked } from '../apply/unlocked.ts';
import { type EpochTable, type LogPosition, logStart } from '../core/position.ts';
import { emptyReplica, Replica } from '../core/replica.ts';
import { emptyChain } from '../log/batch.ts';
import type { OpenHandle } from '../log/handle-table.ts';
import type { OperationLogOptions } from '../log/log-options.ts';
import { OperationLog } from '../log/operation-log.ts';
import { fromKey, shownKey, toKey } from '../tree/path.ts';
import { type Active, Activity } from './activity.ts';
import { encodeState, NotedState, uncertainRoot } from './checkpoint-state.ts';
import { DiskTree } from './disk-tree.ts';
import { type FailedFile, FailedFiles } from './failed-files.ts';
import { HostNotes } from './host-notes.ts';
import { InheritedFlush } from './inherited.ts';
import type { EngineOptions } from './options.ts';
import { Store } from './store.ts';

/** How the last life of this host ended, as far as this one can tell. */
export type Start = 'process-died' | 'power-lost' | 'log-begun-anew' | 'first';

export interface Opened {
  readonly store: Store;
  readonly start: Start;
  readonly directories: Directories;
  readonly unlocked: Unlocked;
  readonly dirty: DirtyFiles;
  /** Called when more bytes may be written. */
  readonly roomListeners: Set<() => void>;
  /** Begins another log, at a leader's position, with everything uncertain. */
  readonly beginAnew: (position: LogPosition, chain: Buffer, epochs: EpochTable) => Promise<void>;
}

/**
 * Opens a host's log and tree, and says in the log what is not known of the tree: what was not noted as made; after power
 * loss what was active and what was open too; everything when the log is damaged or cannot be believed. Only then the
 * mark is left by which the next start sees that the process alone died.
 */
export async function recoverStore(options: EngineOptions): Promise<Opened> {
  const { mark } = options;
  const directories = new Directories(options.files);
  const unlocked = new Unlocked(directories, options.modesNote);
  unlocked.restore();
  const places = { directories, unlocked };
  const dirty = new DirtyFiles(closeSync);
  const flusher = new Flusher(
    dirty,
    options.flushCalls,
    {
      onFailed: ({ path, inode, cause }) => {
        if (inode === null) flushFailed(cause);
        else filesFailed([{ path: toKey(path), inode }], cause);
      },
      onRoom: () => {
        for (const proceed of roomListeners) proceed();
      },
    },
    options.flushLimits,
  );
  const roomListeners = new Set<() => void>();
  const failedFiles = openFailedFiles(options);
  const onlyProcessDied = mark.onlyProcessDied();

  /** P6: what is read back, of the log or of directories, may be what never reached the disk. */
  const flushFailed = (cause: unknown) => {
    mark.distrustPageCache();
    options.onFatal(cause);
  };
  /** P6: the same of single files. The engine ends, for a barrier that needs one of them would never pass. */
  const filesFailed = (files: readonly FailedFile[], cause: unknown) => {
    try {
      failedFiles.add(files);
    } catch {
      mark.distrustPageCache();
    }
    options.onFatal(flushFailedError(files, cause));
  };
  const fatal = (error: unknown) => {
    if (isFlushFailure(error)) flushFailed(error);
    else options.onFatal(error);
  };
  const stateOf: { get: () => Buffer } = {
    get: () => encodeState([{ kind: 'applied', sequence: 0 }, ...(isEmpty(tree) ? [] : uncertainRoot)]),
  };
  const logOptions: OperationLogOptions = {
    ...options.log,
    // The engine says when, so that what it has to note is not said twice.
    segmentBytes: Number.MAX_SAFE_INTEGER,
    checkpointState: () => stateOf.get(),
  };
  // The parts need one another: what is doubted needs names, and names are kept for what is doubted.
  const current: { replica: Replica | null; activity: Activity | null } = { replica: null, activity: null };
  const tree: DiskTree = new DiskTree({
    places,
    dirty,
    before: {
      names: (directory) => current.activity?.names(directory),
      file: (names) => current.activity?.file(names),
      moves: (from, to) => current.activity?.moves(from, to),
      get generation() {
        return current.activity?.generation ?? 0;
      },
    },
    setAside: options.setAside,
    isNeeded: (inode) => (current.replica?.missingOf(inode).length ?? 0) > 0,
  });
  const wasEmpty = options.logFolder.names().length === 0;
  const { log, begunAnew } = await openLog(options, logOptions);

  const noted = new NotedState(log.lastCheckpoint.state, log.lastCheckpoint.handles);
  for await (const entry of log.sinceCheckpoint()) noted.take(entry);
  for (const [inode, path] of noted.names) tree.hint(inode, path);
  const lostPower = !onlyProcessDied || begunAnew;
  const notes = new HostNotes((inode) => tree.hintOf(inode));
  const newReplica = (state = emptyReplica) => new Replica(tree, state, (change) => notes.changed(change));
  const replica = newReplica({ doubts: noted.doubts, handles: foundHandles(tree, noted.handles) });
  current.replica = replica;
  for (const record of noted.unmade) if (record.kind !== 'unknown') replica.doubtRecord(record);
  const { active } = noted;
  if (lostPower) {
    doubtActive(replica, active);
    replica.doubtHandles();
  }
  const inherited = lostPower ? null : active;
  const activity = new Activity(
    { append: (records) => store.log.appendLocal(records), flushNow: () => store.log.flushNow() },
    options.maxActive,
    isNothing(inherited) ? null : inherited,
    noted.lastCheckpoint,
  );
  current.activity = activity;
  const store: Store = new Store({
    log,
    replica,
    activity,
    notes,
    tree,
    places,
    dirty,
    flusher,
    segmentBytes: options.log.segmentBytes,
    failedFiles,
    flushInherited: async () => {
      if (inherited === null) return;
      const flush = new InheritedFlush(tree, places, options.flushCalls.fsync);
      await flush.run(inherited).catch((error: unknown) => {
        flushFailed(error);
        throw error;
      });
      const [first] = flush.failed;
      if (first === undefined) return;
      filesFailed(flush.failed, 'as an earlier process left them');
      throw new FlushFailure(fromKey(first.path), null);
    },
    onFatal: fatal,
  });
  stateOf.get = () => store.state;
  store.rotate();
  await log.flush();
  // Everything is doubted by a log that is new, if a flush had failed that was not of a single file.
  mark.trustPageCache();
  mark.leave();

  const begin = async (position: LogPosition, chain: Buffer, epochs: EpochTable) => {
    await store.log.flush();
    const anew = newReplica();
    store.replica.releaseFiles();
    anew.doubt('', 'tree');
    current.replica = anew;
    store.log.abandon();
    const state = encodeState([
      { kind: 'applied', sequence: position.sequence },
      ...activity.state,
      ...uncertainRoot,
    ]);
    const log = await OperationLog.startAnew(options.logFolder, logOptions, {
      position,
      chain,
      epochs,
      handles: new Map(),
      state,
    });
    return { log, replica: anew };
  };
  const beginAnew: Opened['beginAnew'] = (...at) => store.replaceLog(() => begin(...at));
  const start = begunAnew ? 'log-begun-anew' : wasEmpty ? 'first' : lostPower ? 'power-lost' : 'process-died';
  return { store, start, directories, unlocked, dirty, beginAnew, roomListeners };
}

function flushFailedError(files: readonly FailedFile[], cause: unknown): HoldfastError {
  const names = files.slice(0, 10).map(({ path }) => shownKey(path));
  return new HoldfastError(
    'FLUSH_FAILED',
    `the disk did not take what was written to ${names.join(', ')}${files.length > names.length ? ', ...' : ''}: ${messageOf(cause)}`,
  );
}

/** A note that cannot be read might name any file. */
function openFailedFiles({ failedFilesNote, mark }: EngineOptions): FailedFiles {
  try {
    return new FailedFiles(failedFilesNote);
  } catch {
    mark.distrustPageCache();
    rmSync(failedFilesNote, { force: true });
    return new FailedFiles(failedFilesNote);
  }
}

async function openLog(
  { logFolder, mark }: EngineOptions,
  options: OperationLogOptions,
): Promise<{ log: OperationLog; begunAnew: boolean }> {
  try {
    if (!mark.pageCacheLies()) return { log: await OperationLog.open(logFolder, options), begunAnew: false };
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code !== 'LOG_DAMAGED') throw error;
  }
  const log = await OperationLog.startAnew(logFolder, options, {
    position: logStart,
    chain: emptyChain,
    epochs: [],
    handles: new Map(),
    state: encodeState([{ kind: 'applied', sequence: 0 }, ...uncertainRoot]),
  });
  return { log, begunAnew: true };
}

/** Bound to the files that they were bound to, as far as those have a name. */
function foundHandles(tree: DiskTree, handles: ReadonlyMap<number, OpenHandle>) {
  return [...handles].map(([handle, { path: at, inode: bound }]) => {
    const path = at === null ? null : toKey(at);
    if (bound !== null && path !== null) tree.hint(bound, path);
    const inode = bound !== null && tree.nameOf(bound) !== null ? bound : null;
    return { handle, path, inode };
  });
}

function doubtActive(replica: Replica, { directories, files, trees }: Active): void {
  for (const path of directories) replica.doubt(toKey(path), 'entries');
  for (const path of files) replica.doubt(toKey(path), 'name');
  for (const path of trees) replica.doubt(toKey(path), 'tree');
}

function isNothing(active: Active | null): boolean {
  return active === null || active.directories.length + active.files.length + active.trees.length === 0;
}

function isEmpty(tree: DiskTree): boolean {
  return tree.entries('').length === 0;
}

function isFlushFailure(error: unknown): boolean {
  return error instanceof HoldfastError && error.code === 'LOG_FLUSH_FAILED';
}
