import { accessSync, constants, statfsSync } from 'node:fs';
import { type Errno, errnoOf } from './errno.ts';

/** What is free on the file system of the tree, as far as the engine's user may use it. */
export interface FreeSpace {
  readonly bytes: number;
  /** Inodes; Infinity where the file system makes them as needed. */
  readonly files: number;
  readonly isReadOnly: boolean;
}

export interface SpaceLimits {
  /** What is kept free, for records that were logged already and for the log itself. */
  readonly reserveBytes: number;
  readonly reserveFiles: number;
}

export const defaultSpaceLimits: SpaceLimits = { reserveBytes: 256 * 2 ** 20, reserveFiles: 1024 };

/** The kernel is asked again after so many admitted changes, or once a part of the room has been given away. */
const changesPerLook = 64;
const shareOfRoom = 1 / 8;
/** A new name takes at most about a block of its directory, and one for what it names. */
const bytesPerName = 8192;

/**
 * Refuses what would need more room than there is beyond a reserve, before it is logged. Between two looks at the file
 * system it counts what it admitted; it refuses only after a fresh look.
 */
export class Space {
  readonly #look: () => FreeSpace;
  readonly #limits: SpaceLimits;
  #free: FreeSpace;
  #admittedBytes = 0;
  #admittedFiles = 0;
  #admitted = 0;

  constructor(look: () => FreeSpace, limits: SpaceLimits = defaultSpaceLimits) {
    this.#look = look;
    this.#limits = limits;
    this.#free = look();
  }

  /** @param bytes of data. Returns null when there is room, which is then counted as used. */
  refuses({ bytes = 0, names = 0 }: { readonly bytes?: number; readonly names?: number }): Errno | null {
    const wanted = bytes + names * bytesPerName;
    if (this.#isOld) this.lookAgain();
    if (!this.#fits(wanted, names)) this.lookAgain();
    if (this.#free.isReadOnly) return 'EROFS';
    if (!this.#fits(wanted, names)) return 'ENOSPC';
    this.#admitted += 1;
    this.#admittedBytes += wanted;
    this.#admittedFiles += names;
    return null;
  }

  /** Whether nothing at all can be changed. */
  get isReadOnly(): boolean {
    if (this.#isOld) this.lookAgain();
    this.#admitted += 1;
    return this.#free.isReadOnly;
  }

  /** After a change failed for want of room, or because the file system turned read-only. */
  lookAgain(): void {
    this.#free = this.#look();
    this.#admitted = 0;
    this.#admittedBytes = 0;
    this.#admittedFiles = 0;
  }

  get #isOld(): boolean {
    return this.#admitted >= changesPerLook || this.#admittedBytes > this.#roomBytes * shareOfRoom;
  }

  get #roomBytes(): number {
    return this.#free.bytes - this.#limits.reserveBytes;
  }

  #fits(bytes: number, names: number): boolean {
    const { reserveFiles } = this.#limits;
    return (
      this.#admittedBytes + bytes <= this.#roomBytes &&
      this.#admittedFiles + names <= this.#free.files - reserveFiles
    );
  }
}

/** @param root a path of the files root, or through a handle of it */
export function freeSpaceOf(root: string): FreeSpace {
  const { bsize, bavail, files, ffree } = statfsSync(root);
  return {
    bytes: bavail * bsize,
    files: files === 0 ? Number.POSITIVE_INFINITY : ffree,
    isReadOnly: isReadOnly(root),
  };
}

/** statfs(2) tells, but Node leaves its flags out; access(2) tells too. */
function isReadOnly(root: string): boolean {
  try {
    accessSync(root, constants.W_OK);
    return false;
  } catch (error) {
    return errnoOf(error) === 'EROFS';
  }
}
