import type { FlushCalls, FlushLimits } from '../apply/flusher.ts';
import type { Credentials } from '../apply/permissions.ts';
import type { Space } from '../apply/space.ts';
import type { Removal } from '../core/tree.ts';
import type { TreePath } from '../core/uncertain-names.ts';
import type { LogFolder } from '../log/log-files.ts';
import type { OperationLogOptions } from '../log/log-options.ts';
import type { ProcessMark } from '../log/process-mark.ts';

export interface EngineOptions {
  /** The files root. */
  readonly files: string;
  readonly logFolder: LogFolder;
  /** `segmentBytes`: a longer segment is followed by a new one. */
  readonly log: Omit<OperationLogOptions, 'checkpointState'>;
  readonly mark: ProcessMark;
  /** A file outside of the tree in which modes are noted that are widened for one change. */
  readonly modesNote: string;
  /** A file outside of the tree in which files are noted whose flush failed. */
  readonly failedFilesNote: string;
  /**
   * Takes an entry out of the tree, to another place of the same file system, synchronously. What it throws leaves the
   * entry where it is: RESYNC_REMOVES_MUCH ends the connection with the leader.
   */
  readonly setAside: (entry: Buffer, path: TreePath, why: Removal) => void;
  readonly space: Space;
  readonly credentials: Credentials;
  readonly flushCalls: FlushCalls;
  readonly flushLimits: FlushLimits;
  /** Has all of a folder's file system on the disk; false: what lies in the folder may not be. */
  readonly syncFileSystem: (folder: string) => Promise<boolean>;
  /** Directories and files between two checkpoints. */
  readonly maxActive: number;
  /** The engine cannot go on: the process is to end, and not to write before it has started anew. */
  readonly onFatal: (error: unknown) => void;
}
