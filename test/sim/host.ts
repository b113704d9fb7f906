import type { Position } from '#contracts/identities.ts';
import type { EtcdChange } from '../../supervisor/adapters/etcd/rpc.ts';
import type { Write } from './history.ts';
import { SupervisorRun } from './run.ts';
import type { World } from './world.ts';

const releaseLimitMs = 20;
/** How long the health check takes to say that the SFTP node neither answers nor dies. */
const stuckAfterMs = 3000;

/** The SFTP node process as the model has it. */
export interface NodeModel {
  readonly epoch: number;
  listening: boolean;
  isShut: boolean;
  /** Boot time; -Infinity while shut. */
  gateUntilMs: number;
}

/** What survives a crash of the supervisor: the kernel, the disk, and for an instant the child. */
export class HostModel {
  readonly id: string;
  readonly #world: World;
  /** The boot clock runs at its own rate, within the drift that the margin allows for, and shows 10 ms steps. */
  readonly #clockRate: number;
  readonly #clockOffset: number;
  readonly wallSkewMs: number;
  run: SupervisorRun | null = null;
  node: NodeModel | null = null;
  /** Takes what the watch of the running supervisor is told. */
  watcher: ((change: EtcdChange) => void) | null = null;
  onStuckNode: () => void = () => {};
  /** True time until which the kernel keeps the address. */
  vipUntil = Number.NEGATIVE_INFINITY;
  files: Write | null = null;
  highestEpoch = 0;
  /** The highest epoch that a follower told of when it refused to follow. */
  toldEpoch = 0;
  rememberedLease: string | null = null;
  pausedUntil = { supervisor: 0, node: 0 };
  /** True time until which a frozen disk holds the SFTP node: no signal ends it. */
  diskFrozenUntil = 0;
  ipFails = false;
  ipSlow = false;
  boots = 0;
  /** True time at which the release after a crash is over: systemd starts the service no earlier. */
  #releasedAt = 0;

  constructor(id: string, world: World) {
    this.id = id;
    this.#world = world;
    this.#clockRate = world.random.between(0.995, 1.005);
    this.#clockOffset = world.random.between(0, 1e6);
    this.wallSkewMs = world.random.between(-5000, 5000);
  }

  get position(): Position {
    return { epoch: this.files?.epoch ?? 0, sequence: this.files?.length ?? 0 };
  }

  get phase(): string {
    return this.run?.supervisor.state.phase.name ?? 'down';
  }

  bootTimeMs(): number {
    return Math.floor((this.#clockOffset + this.#world.timeline.now * this.#clockRate) / 10) * 10;
  }

  get hasVip(): boolean {
    return this.vipUntil > this.#world.timeline.now;
  }

  /** Whether an acknowledgement could leave this host at this instant. */
  get mayAcknowledge(): boolean {
    const { node } = this;
    if (node === null || !node.listening || this.#world.timeline.now < this.pausedUntil.node) return false;
    return this.bootTimeMs() < node.gateUntilMs;
  }

  start(): void {
    const { timeline } = this.#world;
    if (this.run !== null) return;
    if (timeline.now < this.#releasedAt) {
      timeline.after(this.#releasedAt - timeline.now, () => this.start());
      return;
    }
    this.run = new SupervisorRun(this, this.#world);
    this.run.start();
  }

  /** The SFTP node stands still and cannot be killed, which the supervisor finds out after a while. */
  freezeDisk(ms: number): void {
    const { timeline } = this.#world;
    this.diskFrozenUntil = Math.max(this.diskFrozenUntil, timeline.now + ms);
    this.pausedUntil.node = Math.max(this.pausedUntil.node, this.diskFrozenUntil);
    const { node } = this;
    timeline.after(stuckAfterMs, () => {
      if (node === null || this.node !== node || timeline.now >= this.diskFrozenUntil) return;
      this.crashNode();
      this.run?.later(0, () => this.onStuckNode());
    });
  }

  /** kill -9 of the supervisor: the node notices the closed channel, systemd may clean up and starts it again. */
  crashSupervisor(withRelease: boolean): void {
    this.#endRun();
    // Commands under way die with it: systemd empties the service's control group before it runs the release.
    this.boots += 1;
    const { node } = this;
    const { timeline, random } = this.#world;
    timeline.after(random.between(0, 20) + Math.max(0, this.pausedUntil.node - timeline.now), () => {
      if (this.node === node) this.node = null;
    });
    if (withRelease) {
      const beginsIn = random.between(20, 100);
      this.#releasedAt = timeline.now + beginsIn + releaseLimitMs;
      timeline.after(beginsIn, () => this.#release());
    }
  }

  /** release.js: node, address, lease, in this order. */
  #release(): void {
    const { timeline, random, network, etcd } = this.#world;
    const id = this.rememberedLease;
    this.node = null;
    timeline.after(random.between(3, releaseLimitMs), () => {
      if (this.ipFails) return;
      this.vipUntil = Number.NEGATIVE_INFINITY;
      if (id !== null) network.send(this.id, 'etcd', () => etcd.revoke(id));
    });
  }

  crashHost(): void {
    this.boots += 1;
    this.#endRun();
    this.node = null;
    this.vipUntil = Number.NEGATIVE_INFINITY;
  }

  #endRun(): void {
    this.run?.end();
    this.run = null;
    this.watcher = null;
  }

  /** As by SIGKILL. */
  crashNode(): void {
    const { node } = this;
    const { timeline } = this.#world;
    if (node === null) return;
    if (timeline.now < this.diskFrozenUntil) {
      timeline.after(this.diskFrozenUntil - timeline.now, () => {
        if (this.node === node) this.crashNode();
      });
      return;
    }
    this.node = null;
    this.run?.sftpNode?.exited(node.epoch);
  }
}
