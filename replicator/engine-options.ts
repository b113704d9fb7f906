import { statfsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { messageOf } from '#contracts/errors.ts';
import type { ReplicatorSettings } from '#contracts/ipc/replicator.ts';
import type { Logger } from '#contracts/log.ts';
import { diskCalls } from './apply/disk-calls.ts';
import { defaultFlushLimits } from './apply/flusher.ts';
import { ownCredentials } from './apply/permissions.ts';
import { defaultSpaceLimits, freeSpaceOf, Space, type SpaceLimits } from './apply/space.ts';
import { syncFileSystem } from './apply/whole-disk.ts';
import type { EngineOptions } from './engine/options.ts';
import { DiskFolder } from './log/log-files.ts';
import { defaultLogLimits } from './log/log-options.ts';
import { ProcessMark } from './log/process-mark.ts';
import { wallTime } from './state/wall-clock.ts';

/** Directories and files that may be active (P1) before a checkpoint flushes the tree. */
const maxActive = 4096;
/** What is kept free is at most this share of a small disk. */
const reserveShare = 1 / 32;

/** Where the operation log lies: in the state root, with what this host must not forget. */
export function logFolderOf({ stateRoot }: Pick<ReplicatorSettings, 'stateRoot'>): string {
  return join(stateRoot, 'log');
}

/** The storage engine of this host, by its settings. The folders must exist. What it cannot go on after ends the process. */
export function engineOptions(
  settings: ReplicatorSettings,
  setAside: EngineOptions['setAside'],
  logger: Logger,
): EngineOptions {
  const { cluster, nodeId, filesRoot, stateRoot, engineSocket } = settings;
  const log = logFolderOf(settings);
  return {
    files: filesRoot,
    logFolder: new DiskFolder(log),
    log: {
      ...defaultLogLimits,
      identity: `${cluster}/${nodeId}`,
      heldAtLeast: 0,
      wallMs: () => wallTime().getTime(),
    },
    // The run folder is empty after each boot.
    mark: new ProcessMark(dirname(engineSocket), { files: filesRoot, log }),
    modesNote: join(stateRoot, 'widened-modes.json'),
    failedFilesNote: join(stateRoot, 'failed-files.json'),
    setAside,
    space: new Space(() => freeSpaceOf(filesRoot), spaceLimits(filesRoot)),
    credentials: ownCredentials(),
    flushCalls: diskCalls,
    flushLimits: defaultFlushLimits,
    syncFileSystem,
    maxActive,
    onFatal: (error) => {
      logger.fatal({ err: error }, `the storage engine ends: ${messageOf(error)}`);
      setImmediate(() => {
        throw error;
      });
    },
  };
}

function spaceLimits(filesRoot: string): SpaceLimits {
  const { bsize, blocks, files } = statfsSync(filesRoot);
  const { reserveBytes, reserveFiles } = defaultSpaceLimits;
  return {
    reserveBytes: Math.min(reserveBytes, Math.floor(bsize * blocks * reserveShare)),
    reserveFiles: Math.min(reserveFiles, Math.floor(files * reserveShare)),
  };
}
