import type { EtcdTransaction } from '../../supervisor/adapters/etcd/rpc.ts';
import { epochBaseOf } from '../../supervisor/core/records/era.ts';
import { isOver, type OperationRecord } from '../../supervisor/core/records/operation.ts';
import type { Stored } from './etcd.ts';

export type Keys = ReadonlyMap<string, Stored>;

/** The parts of values that tell under whom they were written. */
interface Fenced {
  readonly node?: string;
  readonly epoch?: number;
  readonly era?: number;
  readonly handedOverBy?: string | null;
  readonly operationId?: string | null;
  /** Of the key `era`. */
  readonly number?: number;
  /** Of the key `insync`. */
  readonly members?: readonly string[];
  /** Of the key `operation`. */
  readonly id?: string;
  readonly state?: string;
}

/**
 * What holds for every change that supervisors make in etcd, looked at as it happens: a write that comes late, or twice,
 * changes nothing. What it would break shows only where misfortune goes on just so.
 */
export class Fencing {
  readonly #prefix: string;
  /** Those that have changed something. */
  #done = new WeakSet<EtcdTransaction>();

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** Etcd went back: what was done may not have been done. */
  forget(): void {
    this.#done = new WeakSet();
  }

  /** What is wrong with a transaction that has changed something; null when nothing is. */
  judge(transaction: EtcdTransaction, before: Keys, after: Keys): string | null {
    const keys = transaction.success.map((write) =>
      String(write.request_put?.key ?? write.request_delete_range?.key).slice(this.#prefix.length),
    );
    const isRepeated = this.#done.has(transaction);
    this.#done.add(transaction);
    if (isRepeated && keys.some(isWrittenOnce)) return `${keys.join(', ')} written twice by one request`;
    return this.#judgeLeader(before, after) ?? this.#judgeEpochs(keys, before, after);
  }

  #judgeLeader(before: Keys, after: Keys): string | null {
    const [was, is] = [this.#value(before, 'leader'), this.#value(after, 'leader')];
    if (is?.node === undefined || this.#written(before) === this.#written(after)) return null;
    const era = this.#value(before, 'era');
    if (era?.number !== undefined && is.era !== era.number) {
      return `${is.node} leads in era ${is.era}, while it is ${era.number}`;
    }
    if (was?.node === undefined) return this.#judgeClaim(is, before);
    if (is.node === was.node || is.handedOverBy === was.node) return null;
    return `${is.node} leads over ${was.node}, which did not hand over to it`;
  }

  #judgeClaim({ node, operationId }: Fenced, before: Keys): string | null {
    const operation = this.#value(before, 'operation');
    if (operationId === null || operation === null) return null;
    if (operation.id === operationId && !isOver(operation as OperationRecord)) return null;
    return `${node} claims for the operation ${operationId}, which is over or gone`;
  }

  /** Who writes in the name of a leadership has it. */
  #judgeEpochs(keys: readonly string[], before: Keys, after: Keys): string | null {
    const epoch = this.#leadersEpoch(before);
    for (const key of ['insync', 'successor', 'departure']) {
      const written = keys.includes(key) ? this.#value(after, key)?.epoch : undefined;
      if (written === undefined || written === 0 || epoch === null || written === epoch) continue;
      if (key === 'insync' && this.#isLeaving(before, after)) continue;
      return `${key} written under epoch ${written} while ${epoch} leads`;
    }
    return null;
  }

  /** A host took itself out of the in-sync set, which any host may, whoever leads. */
  #isLeaving(before: Keys, after: Keys): boolean {
    const [was, is] = [this.#value(before, 'insync'), this.#value(after, 'insync')];
    const [members, left] = [was?.members ?? [], is?.members ?? []];
    return (
      was?.epoch === is?.epoch && left.length < members.length && left.every((one) => members.includes(one))
    );
  }

  #written(keys: Keys): number {
    return keys.get(`${this.#prefix}leader`)?.modRevision ?? 0;
  }

  /** 0: nobody leads; null: the key cannot be read. */
  #leadersEpoch(keys: Keys): number | null {
    const stored = keys.get(`${this.#prefix}leader`);
    if (stored === undefined) return 0;
    const record = this.#value(keys, 'leader');
    return record?.node === undefined ? null : epochBaseOf(record.era ?? 0) + stored.modRevision;
  }

  #value(keys: Keys, name: string): Fenced | null {
    try {
      const value = JSON.parse(keys.get(this.#prefix + name)?.value.toString('utf8') ?? 'null');
      return typeof value === 'object' ? value : null;
    } catch {
      return null;
    }
  }
}

/** The record of a host is that host's alone, the successor may be named again, and an old history deleted again. */
function isWrittenOnce(key: string): boolean {
  return !/^(nodes|peers|history)\//.test(key) && key !== 'successor';
}
