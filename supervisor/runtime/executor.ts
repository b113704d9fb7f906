import { codeOf, HoldfastError, messageOf } from '#contracts/errors.ts';
import type { Epoch } from '#contracts/identities.ts';
import type { Logger } from '#contracts/log.ts';
import type { Order } from '../core/leadership/orders.ts';
import { type Attempt, Lane, type Task } from './lane.ts';
import type { LeadershipWriter } from './leadership-writer.ts';
import type { Observation } from './observation.ts';
import type { AnnouncementSchedule, Clock, ReplicatorControl, SftpNodeControl, VirtualIps } from './ports.ts';
import type { RecordWriter } from './record-writer.ts';

export interface ExecutorOptions {
  readonly clock: Clock;
  readonly vips: VirtualIps;
  readonly announcer: AnnouncementSchedule;
  readonly sftpNode: SftpNodeControl;
  readonly replicator: ReplicatorControl;
  readonly leadership: LeadershipWriter;
  readonly records: RecordWriter;
  readonly observe: (observation: Observation) => void;
  readonly exit: () => void;
  readonly log: Logger;
}

type Kind = Order['kind'];
type OrderOf<K extends Kind> = Extract<Order, { kind: K }>;

/** Makes the world as ordered and reports what became of it. One lane a kind of order, so that none waits for another. */
export class Executor {
  readonly #options: ExecutorOptions;
  readonly #lanes: Record<Kind, Lane>;

  constructor(options: ExecutorOptions) {
    this.#options = options;
    const lane = (name: Kind) => new Lane(name, options.log, () => options.clock.bootTimeMs());
    this.#lanes = {
      gate: lane('gate'),
      vip: lane('vip'),
      'sftp-node': lane('sftp-node'),
      spare: lane('spare'),
      successor: lane('successor'),
      operation: lane('operation'),
      pause: lane('pause'),
      restored: lane('restored'),
      'in-sync': lane('in-sync'),
      format: lane('format'),
      leave: lane('leave'),
      host: lane('host'),
      admit: lane('admit'),
      'replace-failed-files': lane('replace-failed-files'),
      settings: lane('settings'),
      replicator: lane('replicator'),
      'hand-off': lane('hand-off'),
      announce: lane('announce'),
      leadership: lane('leadership'),
      exit: lane('exit'),
    };
  }

  carryOut(orders: readonly Order[]): void {
    const byKind = new Map(orders.map((order) => [order.kind, order]));
    for (const order of byKind.values()) this.#lanes[order.kind].want(this.#task(order));
    for (const kind of Object.keys(this.#lanes) as Kind[]) {
      if (!byKind.has(kind)) this.#lanes[kind].want(null);
    }
    if (!byKind.has('announce')) this.#options.announcer.stop();
  }

  #task(order: Order): Task {
    return {
      key: JSON.stringify(order),
      repeatAfterMs: repeatAfterMs(order),
      run: (attempt) => this.#run(order, attempt),
      onOverdue: (sentence) => this.#reportOverdue(order, sentence),
    };
  }

  /** Of what nobody else misses: the rest of the orders are about things whose own state is looked at. */
  #reportOverdue(order: Order, sentence: string): void {
    if (order.kind !== 'announce' && (order.kind !== 'vip' || order.want === 'absent')) return;
    const { epoch } = order;
    this.#options.observe({ type: 'vip-failed', epoch, cause: { code: 'ORDER_OVERDUE', sentence } });
  }

  #run(order: Order, attempt: Attempt): Promise<boolean> | Promise<void> | void {
    switch (order.kind) {
      case 'gate':
        return this.#gate(order);
      case 'vip':
        return this.#vip(order, attempt);
      case 'sftp-node':
        return this.#sftpNode(order);
      case 'replicator':
        return this.#replicator(order);
      case 'admit':
        return this.#options.replicator.admit(order.replaces, order.at);
      case 'replace-failed-files':
        return this.#options.replicator.replaceFailedFiles();
      case 'hand-off':
        return this.#options.replicator.handOff(order.epoch, order.to);
      case 'announce':
        return this.#announce(order.epoch, attempt);
      case 'leadership':
        return this.#options.leadership.write(order);
      case 'spare':
        return order.want === 'ready'
          ? this.#options.sftpNode.keepSpare()
          : this.#options.sftpNode.dropSpare();
      case 'exit':
        return this.#options.exit();
      default:
        return this.#options.records.write(order);
    }
  }

  /** The gate of the door, before its answers, and that of the engine, before its changes (H2). */
  #gate(order: OrderOf<'gate'>): void {
    const { sftpNode, replicator } = this.#options;
    if (order.want === 'open') {
      replicator.openGate(order.epoch, order.validUntilMs);
      sftpNode.openGate(order.epoch, order.validUntilMs);
    } else {
      sftpNode.shutGate(order.epoch);
      replicator.shutGate();
    }
  }

  #sftpNode(order: OrderOf<'sftp-node'>): void {
    if (order.want === 'running') this.#options.sftpNode.start(order.epoch);
    else if (order.want === 'drained') this.#options.sftpNode.drain(order.epoch, order.limitMs);
    else if (order.want === 'stopped') this.#options.sftpNode.stop(order.epoch);
    else this.#options.sftpNode.kill();
  }

  #replicator(order: OrderOf<'replicator'>): void {
    const { replicator } = this.#options;
    if (order.want === 'lead') {
      const { epoch, inSync, root } = order;
      replicator.tellRole({ type: 'lead', epoch, inSync: [...inSync], root });
    } else if (order.want === 'follow') {
      const { epoch, leader, root } = order;
      replicator.tellRole({ type: 'follow', epoch, leader, root });
    } else replicator.tellRole({ type: 'idle' });
  }

  async #vip(order: OrderOf<'vip'>, attempt: Attempt): Promise<boolean> {
    const { vips } = this.#options;
    const observe = this.#observerFor(attempt);
    if (order.want === 'absent') {
      await vips.absent();
      observe({ type: 'vip-absent' });
      return true;
    }
    return this.#reportingVipFailure(order.epoch, observe, async () => {
      if (order.want === 'present') {
        const isOn = await vips.present(order.leaseEndsAtMs);
        if (isOn) observe({ type: 'vip-present', epoch: order.epoch });
        return isOn;
      }
      const stranger = await vips.conflict();
      if (stranger !== null) {
        const { address, macAddress } = stranger;
        throw new HoldfastError(
          'VIP_IN_USE',
          `${address} is answered for by ${macAddress}, which is not this cluster`,
        );
      }
      observe({ type: 'vip-free', epoch: order.epoch });
      return true;
    });
  }

  async #announce(epoch: Epoch, attempt: Attempt): Promise<void> {
    const observe = this.#observerFor(attempt);
    await this.#reportingVipFailure(epoch, observe, async () => {
      await this.#options.announcer.start(epoch);
      observe({ type: 'announced', epoch });
    });
  }

  /** Tells what came of an order, unless it was given up: others about the same thing came after it. */
  #observerFor(attempt: Attempt): (observation: Observation) => void {
    return (observation) => {
      if (!attempt.isOverdue) this.#options.observe(observation);
    };
  }

  async #reportingVipFailure<Result>(
    epoch: Epoch,
    observe: (observation: Observation) => void,
    work: () => Promise<Result>,
  ): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      const cause = { code: codeOf(error), sentence: messageOf(error) };
      observe({ type: 'vip-failed', epoch, cause });
      throw error;
    }
  }
}

/** A replicator that could not lead or follow, as for want of space, is told again: it does nothing where it does so already. */
const roleEveryMs = 5000;

/** What is written to etcd is known to be there when it is read; what a process is told, it may not have heard. */
function repeatAfterMs(order: Order): number {
  switch (order.kind) {
    case 'leadership':
      return 300;
    case 'successor':
    case 'operation':
    case 'pause':
    case 'restored':
    case 'in-sync':
    case 'format':
    case 'leave':
    case 'host':
    case 'admit':
    case 'replace-failed-files':
    case 'settings':
      return 500;
    case 'vip':
      return order.want === 'absent' ? 500 : Infinity;
    case 'sftp-node':
      return order.want === 'running' ? 500 : Infinity;
    case 'replicator':
      return order.want === 'idle' ? Infinity : roleEveryMs;
    default:
      return Infinity;
  }
}
