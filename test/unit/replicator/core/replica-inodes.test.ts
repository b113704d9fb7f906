import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LogRecord } from '../../../../replicator/core/record.ts';
import { Replica } from '../../../../replicator/core/replica.ts';
import { VirtualDisk } from '../../../sim/engine/disk.ts';

/** As real file systems do: the inode of a file that is gone is the next one's. */
class ReusingDisk extends VirtualDisk {
  readonly #given = new Map<bigint, bigint>();
  readonly held: bigint[] = [];

  override make(...args: Parameters<VirtualDisk['make']>): bigint {
    const inode = super.make(...args);
    this.#given.set(7n, inode);
    return args[1].kind === 'file' ? 7n : inode;
  }

  override find(path: string): ReturnType<VirtualDisk['find']> {
    const found = super.find(path);
    return found?.kind === 'file' ? { ...found, inode: 7n } : found;
  }

  override sizeOf(inode: bigint): number | undefined {
    return super.sizeOf(this.#given.get(inode) ?? inode);
  }

  override setFileAttributes(inode: bigint, attributes: { size?: number; mode?: number }): void {
    super.setFileAttributes(this.#given.get(inode) ?? inode, attributes);
  }

  override hold(inode?: bigint): void {
    if (inode !== undefined) this.held.push(inode);
  }

  override release(inode?: bigint): void {
    if (inode !== undefined) this.held.splice(this.held.indexOf(inode), 1);
  }
}

const at = (path: string) => Buffer.from(path);
const open = (handle: number, path: string): LogRecord => ({
  kind: 'open',
  handle,
  path: at(path),
  created: true,
  truncate: false,
  mode: 0o644,
  otherNames: [],
});

describe('a replica on a disk that gives inodes again', () => {
  it('does not take what an earlier file lacked for what the new one lacks', () => {
    const replica = new Replica(new ReusingDisk());
    replica.consume(1, open(1, 'a'), null);
    replica.consume(2, { kind: 'write', handle: 1, offset: 0, length: 5 }, null);
    assert.equal(replica.missingOf(7n).length, 1);
    replica.consume(3, { kind: 'close', handle: 1 }, null);
    replica.consume(4, { kind: 'remove', path: at('a') }, null);
    replica.consume(5, open(2, 'b'), null);
    assert.deepEqual(replica.missingOf(7n), []);
  });

  it('holds the file of each handle, and lets go of all with a leadership', () => {
    const disk = new ReusingDisk();
    const replica = new Replica(disk);
    replica.consume(1, open(1, 'a'), null);
    replica.consume(2, { ...open(2, 'a'), created: false } as LogRecord, null);
    assert.deepEqual(disk.held, [7n, 7n]);
    replica.consume(3, { kind: 'close', handle: 1 }, null);
    assert.deepEqual(disk.held, [7n]);
    replica.consume(
      4,
      { kind: 'leadership', epoch: 2, node: 'a', previous: { epoch: 1, sequence: 3 } },
      null,
    );
    assert.deepEqual(disk.held, []);
  });
});
