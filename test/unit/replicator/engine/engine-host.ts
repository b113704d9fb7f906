/** An engine in a temporary folder, as one host of a story. */
import { existsSync, mkdirSync, mkdtempSync, renameSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { diskCalls } from '../../../../replicator/apply/disk-calls.ts';
import { defaultFlushLimits } from '../../../../replicator/apply/flusher.ts';
import { ownCredentials } from '../../../../replicator/apply/permissions.ts';
import { freeSpaceOf, Space } from '../../../../replicator/apply/space.ts';
import { syncFileSystem } from '../../../../replicator/apply/whole-disk.ts';
import { epochAt } from '../../../../replicator/core/epoch-table.ts';
import { StorageEngine } from '../../../../replicator/engine/engine.ts';
import type { EngineOptions } from '../../../../replicator/engine/options.ts';
import { DiskFolder } from '../../../../replicator/log/log-files.ts';
import { ProcessMark } from '../../../../replicator/log/process-mark.ts';
import type { EngineHost } from '../../../sim/engine/host.ts';
import { removeAll } from '../apply/engine.ts';
import { snapshotOf } from './tree-parts.ts';

let asideNumber = 0;

export function optionsIn(folder: string, changes: Partial<EngineOptions> = {}): EngineOptions {
  const at = (name: string) => join(folder, name);
  for (const name of ['files', 'log', 'run', 'aside'])
    if (!existsSync(at(name))) mkdirSync(at(name), { mode: 0o755 });
  return {
    files: at('files'),
    logFolder: new DiskFolder(at('log')),
    log: {
      identity: 'cluster/root',
      heldAtLeast: 0,
      segmentBytes: 64 * 1024,
      maxBytes: 64 * 1024 * 1024,
      maxAgeMs: Number.MAX_SAFE_INTEGER,
      aheadBytes: 4096,
      wallMs: () => 1_764_000_000_000,
    },
    mark: new ProcessMark(at('run'), { files: at('files'), log: at('log') }),
    modesNote: at('modes'),
    failedFilesNote: at('failed-files'),
    setAside: (entry) => renameSync(entry, join(at('aside'), `${process.pid}-${asideNumber++}`)),
    space: new Space(() => freeSpaceOf(at('files')), { reserveBytes: 0, reserveFiles: 0 }),
    credentials: ownCredentials(),
    flushCalls: diskCalls,
    flushLimits: defaultFlushLimits,
    syncFileSystem,
    maxActive: 1000,
    onFatal: (error) => {
      throw error;
    },
    ...changes,
  };
}

export class RealHost {
  readonly id: string;
  readonly folder = mkdtempSync(join(tmpdir(), 'holdfast-host-'));
  readonly options: EngineOptions;
  engine: StorageEngine | null = null;

  constructor(id: string, changes: Partial<EngineOptions> = {}) {
    this.id = id;
    this.options = optionsIn(this.folder, changes);
  }

  get up(): StorageEngine {
    if (this.engine === null) throw new Error(`${this.id} is down`);
    return this.engine;
  }

  async start(): Promise<void> {
    this.engine = await StorageEngine.open(this.options);
  }

  /** @param losesPower the next start cannot know that only the process died */
  async stop(losesPower = false): Promise<void> {
    await this.engine?.abandon();
    this.engine = null;
    if (losesPower) this.options.mark.remove();
  }

  /** What the checker and the work of the model look at. */
  get asModel(): EngineHost {
    const { store } = this.up;
    const { log, tree } = store;
    const view = {
      id: this.id,
      replica: store.replica,
      last: log.position,
      log: {
        base: log.start,
        epochAt: (sequence: number) => epochAt(log.epochs, sequence),
      },
      disk: {
        snapshot: () => snapshotOf(this.options.files),
        find: (path: string) => tree.find(path),
        entries: (path: string) => tree.entries(path),
        namesOf: (inode: bigint) => tree.namesOf(inode),
        nameOf: (inode: bigint) => tree.nameOf(inode),
      },
    };
    return view as unknown as EngineHost;
  }

  async remove(): Promise<void> {
    await this.stop();
    removeAll(this.folder);
  }
}
