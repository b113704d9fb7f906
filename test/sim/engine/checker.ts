import type { LogPosition } from '../../../replicator/core/position.ts';
import type { LogRecord } from '../../../replicator/core/record.ts';
import type { TreePath } from '../../../replicator/core/uncertain-names.ts';
import type { EngineHost } from './host.ts';
import { isMentioned, pathsOf } from './paths.ts';
import { Reference } from './reference.ts';

export class Broken extends Error {
  override readonly name = 'Broken';
}

type Snapshot = ReadonlyMap<TreePath, string>;

/**
 * What the guarantees mean in this world.
 * - A leader's tree is what its records mean.
 * - Always: what a host has that differs from the leader's tree at the same position, it doubts.
 * - G3, G5: who is promoted has every acknowledged record, and differs from the tree of its last position at most in what
 *   records that were never acknowledged name.
 */
export class Checker {
  /** The leader's tree after each record, by epoch and sequence. */
  readonly #trees = new Map<string, Snapshot>();
  readonly #issued: { position: LogPosition; paths: readonly TreePath[] }[] = [];
  #reference: Reference | null = null;
  acknowledged: LogPosition = { epoch: 0, sequence: 0 };
  promotions = 0;

  issued(position: LogPosition, record: LogRecord, leader: EngineHost): void {
    this.#issued.push({ position, paths: pathsOf(record, leader) });
  }

  applied(position: LogPosition, leader: EngineHost): void {
    this.#trees.set(keyOf(position), leader.disk.snapshot());
  }

  /** The leader has made its record: its tree is what the record means. */
  checkMeaning(record: LogRecord, data: Uint8Array | null, leader: EngineHost): void {
    if (this.#reference === null || record.kind === 'leadership' || record.kind === 'suspect') {
      this.#reference = new Reference(leader.disk);
      return;
    }
    this.#reference.make(record, data);
    const wrong = differences(leader.disk.snapshot(), this.#reference.snapshot());
    if (wrong.length > 0)
      throw new Broken(`the leader ${leader.id} made a ${record.kind} otherwise: ${wrong.join(', ')}`);
  }

  acknowledge(position: LogPosition): void {
    if (position.sequence > this.acknowledged.sequence) this.acknowledged = position;
  }

  /** A host that says it has everything flushed has the tree of that position. */
  flushed(host: EngineHost): void {
    if (host.replica.isComplete) this.checkHost(host);
  }

  checkHost(host: EngineHost): void {
    const tree = this.#trees.get(keyOf(host.last));
    if (tree === undefined) return;
    const wrong = differences(host.disk.snapshot(), tree).filter(
      (path) => !this.#isDoubted(host, path, tree),
    );
    if (wrong.length === 0) return;
    const shown = wrong.map(
      (path) => `'${path}': ${host.disk.snapshot().get(path)} instead of ${tree.get(path)}`,
    );
    throw new Broken(`${host.id} at ${keyOf(host.last)} does not doubt what differs: ${shown.join('; ')}`);
  }

  checkPromotion(host: EngineHost): void {
    this.promotions += 1;
    const { epoch, sequence } = this.acknowledged;
    if (sequence > 0 && sequence > host.log.base.sequence && host.log.epochAt(sequence) !== epoch)
      throw new Broken(`G5: ${host.id} is promoted without the acknowledged ${epoch}/${sequence}`);
    const tree = this.#trees.get(keyOf(host.last));
    if (tree === undefined) return;
    const open = this.#issued.filter(
      ({ position }) =>
        position.sequence > sequence || host.log.epochAt(position.sequence) !== position.epoch,
    );
    const mentioned = open.flatMap(({ paths }) => paths);
    const lost = differences(host.disk.snapshot(), tree).filter((path) => !isMentioned(path, mentioned));
    if (lost.length > 0)
      throw new Broken(`G3: ${host.id} is promoted, and what was acknowledged differs: ${lost.join(', ')}`);
  }

  checkEqual(leader: EngineHost, hosts: readonly EngineHost[]): void {
    for (const host of hosts) {
      const wrong = differences(host.disk.snapshot(), leader.disk.snapshot());
      if (wrong.length > 0) throw new Broken(`in the end ${host.id} differs: ${wrong.join(', ')}`);
    }
  }

  #isDoubted(host: EngineHost, path: TreePath, tree: Snapshot): boolean {
    const { replica, disk } = host;
    if (!replica.isCertain(path)) return true;
    // A name that is missing here, or is one too many, of the same file is doubted by itself.
    const [mine, theirs] = [parse(disk.snapshot().get(path)), parse(tree.get(path))];
    if (
      mine === null ||
      theirs === null ||
      mine.mode !== theirs.mode ||
      mine.data.length !== theirs.data.length
    )
      return false;
    const inode = replica.onOpened(path);
    const lacks = inode === null ? [] : replica.missingOf(inode);
    const isLacked = (at: number) => lacks.some(({ from, to }) => at >= from && at < to);
    if ([...mine.data].some((byte, at) => byte !== theirs.data[at] && !isLacked(at))) return false;
    return [...mine.names, ...theirs.names].every(
      (name) => (mine.names.includes(name) && theirs.names.includes(name)) || !replica.isCertain(name),
    );
  }
}

function keyOf({ epoch, sequence }: LogPosition): string {
  return `${epoch}/${sequence}`;
}

function differences(one: Snapshot, other: Snapshot): TreePath[] {
  return [...new Set([...one.keys(), ...other.keys()])].filter((path) => one.get(path) !== other.get(path));
}

function parse(entry: string | undefined): { mode: string; data: Buffer; names: string[] } | null {
  const [kind, mode, data, ...names] = entry?.split(' ') ?? [];
  if (kind !== 'file' || mode === undefined || data === undefined) return null;
  return { mode, data: Buffer.from(data, 'hex'), names };
}
