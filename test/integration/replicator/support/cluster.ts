import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ReplicatorSettings } from '#contracts/ipc/replicator.ts';
import { Door } from './door.ts';
import { Host } from './host.ts';

/** Some hosts on loopback; the test plays etcd and the supervisors. */
export class Cluster implements AsyncDisposable {
  readonly root = mkdtempSync(join(tmpdir(), 'holdfast-replicator-'));
  readonly hosts: Host[] = [];
  readonly nodes: Door[] = [];
  /** As etcd would hold it. */
  inSync: string[] = [];
  epoch = 0;
  readonly dead = new Set<string>();

  static async start(
    nodeIds: readonly string[],
    settings: Partial<ReplicatorSettings> = {},
    prepare: (host: Host) => void = () => {},
  ): Promise<Cluster> {
    const cluster = new Cluster();
    for (const nodeId of nodeIds) await cluster.addHost(nodeId, settings, prepare);
    return cluster;
  }

  /** @param prepare called before its first start: what lies there then is compared with the leader's */
  async addHost(
    nodeId: string,
    settings: Partial<ReplicatorSettings> = {},
    prepare: (host: Host) => void = () => {},
  ): Promise<Host> {
    const host = new Host(nodeId, this.root, settings);
    mkdirSync(host.settings.filesRoot, { recursive: true });
    prepare(host);
    host.onMembership = ({ requestId, change, nodeId: member }) => {
      const before = this.inSync.length;
      const others = this.inSync.filter((existing) => existing !== member);
      this.inSync = change === 'add' ? [...others, member] : others;
      const accepted = this.inSync.length !== before;
      host.send({ type: 'membership-result', requestId, accepted, inSync: this.inSync });
    };
    await host.start();
    this.hosts.push(host);
    this.announce();
    return host;
  }

  announce(): void {
    for (const host of this.hosts) {
      const peers = this.hosts.filter((other) => other !== host);
      host.send({ type: 'peers', peers: peers.map((peer) => peer.asPeer(!this.dead.has(peer.nodeId))) });
    }
  }

  host(nodeId: string): Host {
    const host = this.hosts.find((candidate) => candidate.nodeId === nodeId);
    if (host === undefined) throw new Error(`no host ${nodeId}`);
    return host;
  }

  /** A new leadership; everybody else alive follows. Returns a door of the leader. */
  async lead(nodeId: string, followers = this.#others(nodeId)): Promise<Door> {
    this.epoch += 1;
    if (!this.inSync.includes(nodeId)) this.inSync.push(nodeId);
    const leader = this.host(nodeId);
    leader.forget();
    leader.send({ type: 'lead', epoch: this.epoch, inSync: this.inSync, root: leader.rootId });
    for (const follower of followers) this.follow(follower, nodeId);
    await leader.permit(this.epoch);
    const node = await Door.connect(leader.settings, this.epoch);
    this.nodes.push(node);
    return node;
  }

  follow(nodeId: string, leader: string): void {
    const host = this.host(nodeId);
    host.forget();
    host.send({ type: 'follow', epoch: this.epoch, leader, root: host.rootId });
  }

  async untilInSync(...nodeIds: string[]): Promise<void> {
    const [host] = this.hosts;
    await host?.until(`${nodeIds} in sync`, () => nodeIds.every((nodeId) => this.inSync.includes(nodeId)));
  }

  async restart(nodeId: string): Promise<Host> {
    const host = this.host(nodeId);
    await host.kill();
    host.forget();
    await host.start();
    this.announce();
    return host;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.nodes) node.close();
    await Promise.all(this.hosts.map((host) => host.kill()));
    rmSync(this.root, { recursive: true, force: true });
  }

  #others(nodeId: string): string[] {
    return this.hosts.map((host) => host.nodeId).filter((other) => other !== nodeId && !this.dead.has(other));
  }
}
