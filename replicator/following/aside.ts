import type { QuarantineReason } from '#contracts/ipc/quarantine.ts';
import type { Removal } from '../core/tree.ts';
import type { TreePath } from '../core/uncertain-names.ts';
import type { Quarantine } from '../quarantine/quarantine.ts';
import { fromKey } from '../tree/path.ts';
import type { RemovalGate } from './removal-gate.ts';

const reasons: Record<Removal, QuarantineReason> = {
  absent: 'only-here',
  displaced: 'differs',
  record: 'unknown',
};

/** Where the engine puts what it takes out of the tree without a record that says so, as long as a leader is followed. */
export class Aside {
  #following: { quarantine: Quarantine; removals: RemovalGate; leader: string } | null = null;

  begin(following: { quarantine: Quarantine; removals: RemovalGate; leader: string }): void {
    this.#following = following;
  }

  /** @throws HoldfastError RESYNC_REMOVES_MUCH; errors of the file system */
  take(entry: Buffer, path: TreePath, why: Removal): void {
    if (this.#following === null) throw new Error(`${path} is displaced on a host that follows nobody`);
    const { quarantine, removals, leader } = this.#following;
    if (why === 'absent') removals.admit(entry, leader);
    quarantine.moveIn(entry, fromKey(path), reasons[why]);
  }
}
