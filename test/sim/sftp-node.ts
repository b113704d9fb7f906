import type { SftpNodeControl, SftpNodeReports } from '../../supervisor/runtime/ports.ts';
import type { HostModel, NodeModel } from './host.ts';
import type { World } from './world.ts';

/** The supervisor's hold on the SFTP node process of a host. */
export class SftpNodeModel implements SftpNodeControl {
  readonly #host: HostModel;
  readonly #world: World;
  readonly #reports: SftpNodeReports;
  #spare: 'absent' | 'loading' | 'ready' = 'absent';
  readonly pid = undefined;
  readonly activity = { sessions: 0, transfers: 0, dropped: 0 };

  constructor(host: HostModel, world: World, reports: SftpNodeReports) {
    this.#host = host;
    this.#world = world;
    this.#reports = reports;
  }

  start(epoch: number): void {
    const { random, timeline } = this.#world;
    const host = this.#host;
    if (host.node !== null) {
      this.#toNode(epoch, (node) => {
        if (!node.isShut) return;
        node.isShut = false;
        this.#report((reports) => reports.listening(epoch));
      });
      return;
    }
    host.node = { epoch, listening: false, isShut: false, gateUntilMs: Number.NEGATIVE_INFINITY };
    const takes = this.#spare === 'ready' ? random.between(5, 50) : random.between(80, 300);
    if (this.#spare !== 'absent') this.#setSpare('absent');
    this.#reports.starting(epoch);
    timeline.after(takes, () =>
      this.#toNode(epoch, (node) => {
        node.listening = true;
        this.#report((reports) => reports.listening(epoch));
      }),
    );
  }

  keepSpare(): void {
    if (this.#spare !== 'absent') return;
    this.#setSpare('loading');
    this.#host.run?.later(this.#world.random.between(80, 300), () => {
      if (this.#spare === 'loading') this.#setSpare('ready');
    });
  }

  dropSpare(): void {
    this.#setSpare('absent');
  }

  openGate(epoch: number, validUntilMs: number): void {
    this.#toNode(epoch, (node) => {
      if (!node.isShut) node.gateUntilMs = validUntilMs;
    });
  }

  shutGate(epoch: number): void {
    this.#toNode(epoch, (node) => this.#shut(node));
  }

  drain(epoch: number, limitMs: number): void {
    const { timeline, random } = this.#world;
    this.#toNode(epoch, (node) => {
      timeline.after(random.between(0, limitMs), () => {
        if (this.#host.node === node) this.#toNode(epoch, (drained) => this.#shut(drained));
      });
    });
  }

  stop(epoch: number): void {
    this.#toNode(epoch, () => this.#host.crashNode());
  }

  kill(): void {
    this.#host.run?.later(1, () => this.#host.crashNode());
  }

  exited(epoch: number): void {
    this.#report((reports) => reports.exited(epoch, { code: 'SFTP_NODE_EXITED', sentence: 'killed' }));
  }

  #shut(node: NodeModel): void {
    node.isShut = true;
    node.gateUntilMs = Number.NEGATIVE_INFINITY;
    this.#report((reports) => reports.gateShut(node.epoch));
  }

  #setSpare(is: 'absent' | 'loading' | 'ready'): void {
    this.#spare = is;
    this.#reports.spare(is);
  }

  #toNode(epoch: number, run: (node: NodeModel) => void): void {
    const { timeline, random } = this.#world;
    const pause = Math.max(0, this.#host.pausedUntil.node - timeline.now);
    timeline.after(pause + random.between(0, 2), () => {
      if (this.#host.node?.epoch === epoch) run(this.#host.node);
    });
  }

  #report(tell: (reports: SftpNodeReports) => void): void {
    this.#host.run?.later(1, () => tell(this.#reports));
  }
}
