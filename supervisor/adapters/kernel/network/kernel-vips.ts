import { existsSync } from 'node:fs';
import { SocketAddress } from 'node:net';
import { networkInterfaces } from 'node:os';
import { HoldfastError } from '#contracts/errors.ts';
import { type Config, type KernelVipConfig, kernelVipsOf } from '../../../config/schema.ts';
import { latestVipStartMs, vipCommandLimitMs, vipLifetimeSeconds } from '../../../config/timing.ts';
import type { Clock, InterfaceAddress, VipConflict, VirtualIps } from '../../../runtime/ports.ts';
import { assignedAddresses, isOn, removeAddresses } from './addresses.ts';
import { announceVip } from './announce.ts';
import { ReadyIp } from './ip-batch.ts';
import type { KernelVip } from './kernel-vip.ts';
import { findStranger } from './probe.ts';

/** As the kernel writes it. */
export function interfaceAddressOf(vip: KernelVipConfig): InterfaceAddress {
  const { address, prefixLength, family } = vip.address;
  const canonical = new SocketAddress({ address, family: family === 4 ? 'ipv4' : 'ipv6' }).address;
  return { address: canonical, prefixLength, interface: vip.interface };
}

/** The hardware addresses that answer for the virtual IPs while this host has them. */
export function linkAddressesOf(config: Pick<Config, 'vips'>): string[] {
  const interfaces = new Set(kernelVipsOf(config).map((vip) => vip.interface));
  const entries = [...interfaces].flatMap((name) => networkInterfaces()[name] ?? []);
  return [...new Set(entries.map(({ mac }) => mac.toLowerCase()))].sort();
}

/** Addresses on a real interface, with a kernel lifetime that ends before the lease (G2). */
export class KernelVips implements VirtualIps {
  readonly #vips: readonly KernelVip[];
  readonly #clock: Clock;
  readonly #ip = new ReadyIp();
  /** Boot time until which the kernel keeps the addresses at least; 0 when that is not known. */
  #keptUntilMs = 0;
  /** As that, and also known while it is being extended. */
  #announceableUntilMs = 0;

  constructor(vips: readonly KernelVipConfig[], clock: Clock) {
    this.#clock = clock;
    this.#vips = vips.map((vip) => ({ ...interfaceAddressOf(vip), family: vip.address.family }));
  }

  async present(untilMs: number): Promise<boolean> {
    for (const vip of this.#vips) requireInterface(vip.interface);
    const beganMs = this.#clock.bootTimeMs();
    const seconds = vipLifetimeSeconds(untilMs, beganMs);
    const endsAtMs = beganMs + seconds * 1000;
    // After a renewal that took long, a lifetime of whole seconds could end before the one that the kernel has.
    const keepsLonger = this.#keptUntilMs >= endsAtMs && latestVipStartMs(0, untilMs) >= this.#keptUntilMs;
    if (keepsLonger && this.#vips.every((vip) => isListed(vip))) return true;
    if (seconds === 0) return false;
    this.#keptUntilMs = 0;
    await this.#putOn(seconds, latestVipStartMs(seconds, untilMs));
    // The usual case, twice a second, takes no second command.
    if (!this.#vips.every((vip) => isListed(vip))) await this.#requireOn();
    this.#keptUntilMs = endsAtMs;
    this.#announceableUntilMs = endsAtMs;
    return true;
  }

  async #putOn(seconds: number, deadlineMs: number): Promise<void> {
    const lifetime = `valid_lft ${seconds} preferred_lft ${seconds}`;
    const lines = this.#vips.map((vip) => {
      // Duplicate detection takes a second in which the address does not work; `conflict` has probed before.
      const nodad = vip.family === 6 ? ' nodad' : '';
      return `addr replace ${vip.address}/${vip.prefixLength} dev ${vip.interface}${nodad} ${lifetime}`;
    });
    const { exitCode, timedOut, stderr } = await this.#ip.runBefore(deadlineMs, lines, vipCommandLimitMs);
    if (exitCode === 0) return;
    if (timedOut) {
      throw new HoldfastError(
        'COMMAND_TIMEOUT',
        `"ip" had not put the virtual IP on within ${vipCommandLimitMs} ms, and was ended`,
      );
    }
    throw new HoldfastError('VIP_FAILED', `${lines.join(', ')}: ${stderr.trim()}`);
  }

  /** As the kernel tells it, whatever the state of the interfaces. @throws HoldfastError VIP_FAILED */
  async #requireOn(): Promise<void> {
    const assigned = await assignedAddresses();
    const missing = this.#vips.find((vip) => !assigned.some((entry) => isOn(vip, entry)));
    if (missing === undefined) return;
    throw new HoldfastError(
      'VIP_FAILED',
      `${missing.address} is not on ${missing.interface} after it was added`,
    );
  }

  async absent(others: readonly InterfaceAddress[] = []): Promise<void> {
    this.#keptUntilMs = 0;
    this.#announceableUntilMs = 0;
    await removeAddresses([...this.#vips, ...others], this.#ip.run);
  }

  async conflict(): Promise<VipConflict | null> {
    for (const vip of this.#vips) requireInterface(vip.interface);
    const answers = await Promise.all(this.#vips.map((vip) => findStranger(vip)));
    return answers.find((answer) => answer !== null) ?? null;
  }

  async announce(): Promise<void> {
    // A supervisor that was frozen must not draw the partners of its successor to itself when it thaws.
    await Promise.all(this.#vips.map((vip) => announceVip(vip, this.#announceableUntilMs)));
  }
}

/** As the runtime lists the addresses of interfaces that are up and running: no process needed. */
function isListed(vip: KernelVip): boolean {
  return networkInterfaces()[vip.interface]?.some((entry) => entry.address === vip.address) ?? false;
}

function requireInterface(name: string): void {
  if (!existsSync(`/sys/class/net/${name}`)) {
    throw new HoldfastError('INTERFACE_MISSING', `there is no network interface ${name} on this host`);
  }
}
