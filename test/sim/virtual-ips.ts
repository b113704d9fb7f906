import { latestVipStartMs, vipCommandLimitMs, vipLifetimeSeconds } from '../../supervisor/config/timing.ts';
import type { VipConflict, VirtualIps } from '../../supervisor/runtime/ports.ts';
import type { HostModel } from './host.ts';
import type { World } from './world.ts';

/** The kernel's address of a host, put on and taken off by an `ip` that may be slow, fail, or be paused. */
export class VirtualIpsModel implements VirtualIps {
  readonly #host: HostModel;
  readonly #world: World;

  constructor(host: HostModel, world: World) {
    this.#host = host;
    this.#world = world;
  }

  async present(untilMs: number): Promise<boolean> {
    const host = this.#host;
    const { random, timeline } = this.#world;
    const seconds = vipLifetimeSeconds(untilMs, host.bootTimeMs());
    if (host.hasVip && host.vipUntil - timeline.now >= seconds * 1000 + 400) return true;
    if (seconds === 0) return false;
    const takes = host.ipSlow ? random.between(50, vipCommandLimitMs + 400) : random.between(1, 10);
    const works = takes <= vipCommandLimitMs && !host.ipFails;
    const ip = this.#runIp(takes, latestVipStartMs(seconds, untilMs), () => {
      if (works || random.chance(0.5)) host.vipUntil = timeline.now + seconds * 1000 + random.between(0, 400);
    });
    await this.#takes(Math.min(takes, vipCommandLimitMs) + 3);
    ip.isKilled = true;
    if (!works) throw new Error('ip failed');
    return true;
  }

  async absent(): Promise<void> {
    const host = this.#host;
    const { random } = this.#world;
    await this.#takes(host.ipSlow ? random.between(50, 500) : random.between(1, 10));
    if (host.ipFails && random.chance(0.5)) throw new Error('ip failed');
    host.vipUntil = Number.NEGATIVE_INFINITY;
  }

  async conflict(): Promise<VipConflict | null> {
    await this.#takes(120);
    const stranger = this.#world.hosts.find((other) => other !== this.#host && other.hasVip);
    return stranger ? { address: 'vip', macAddress: stranger.id } : null;
  }

  announce(): Promise<void> {
    return this.#takes(2);
  }

  #takes(ms: number): Promise<void> {
    return new Promise((resolve) => this.#host.run?.later(ms, resolve));
  }

  /** A process of its own: it goes on while the supervisor is paused, or is paused with it. The kernel ends it at a time. */
  #runIp(takes: number, deadlineMs: number, act: () => void): { isKilled: boolean } {
    const { random, timeline } = this.#world;
    const host = this.#host;
    const { boots } = host;
    const process = { isKilled: false };
    const isPausedToo = random.chance(0.5);
    const goOn = () => {
      const pause = isPausedToo ? Math.max(0, host.pausedUntil.supervisor - timeline.now) : 0;
      if (pause > 0) timeline.after(pause, goOn);
      else if (!process.isKilled && host.boots === boots && host.bootTimeMs() < deadlineMs) act();
    };
    timeline.after(takes, goOn);
    return process;
  }
}
