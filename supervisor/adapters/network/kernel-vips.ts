import { existsSync } from 'node:fs';
import { SocketAddress } from 'node:net';
import { networkInterfaces } from 'node:os';
import { HoldfastError } from '#contracts/errors.ts';
import type { KernelVipConfig } from '../../config/schema.ts';
import { endsBeforeLease, vipCommandLimitMs, vipLifetimeSeconds } from '../../config/timing.ts';
import type { Clock, InterfaceAddress, VipConflict, VirtualIps } from '../../ports.ts';
import { type AssignedAddress, assignedAddresses, isOn, removeAddresses } from './addresses.ts';
import { announceVip } from './announce.ts';
import { ReadyIp } from './ip-batch.ts';
import { findStranger } from './probe.ts';

export interface KernelVip extends InterfaceAddress {
  readonly family: 4 | 6;
}

/** As the kernel writes it. */
export function interfaceAddressOf(vip: KernelVipConfig): InterfaceAddress {
  const { address, prefixLength, family } = vip.address;
  const canonical = new SocketAddress({ address, family: family === 4 ? 'ipv4' : 'ipv6' }).address;
  return { address: canonical, prefixLength, interface: vip.interface };
}

/** Addresses on a real interface, with a kernel lifetime that ends before the lease (G2). */
export class KernelVips implements VirtualIps {
  readonly #vips: readonly KernelVip[];
  readonly #clock: Clock;
  readonly #ip = new ReadyIp();
  /** Boot time until which the kernel keeps the addresses at least; 0 when that is not known. */
  #keptUntilMs = 0;

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
    const keepsLonger = this.#keptUntilMs >= endsAtMs && endsBeforeLease(0, this.#keptUntilMs, untilMs);
    if (keepsLonger && this.#vips.every((vip) => isListed(vip))) return true;
    if (seconds === 0) return false;
    this.#keptUntilMs = 0;
    const failure = await this.#putOn(seconds).then(
      () => null,
      (error: unknown) => error,
    );
    // In time and visible: the usual case, twice a second, takes no second command.
    const inTime = endsBeforeLease(seconds, this.#clock.bootTimeMs(), untilMs);
    if (failure === null && inTime && this.#vips.every((vip) => isListed(vip))) {
      this.#keptUntilMs = endsAtMs;
      return true;
    }
    const assigned = await assignedAddresses();
    await this.#removeWhatOutlives(untilMs, assigned);
    // An extension that failed leaves the address on for the rest of its old lifetime: time to try again.
    if (failure !== null) throw failure;
    for (const vip of this.#vips) {
      if (!assigned.some((entry) => isOn(vip, entry))) {
        throw new HoldfastError('VIP_FAILED', `${vip.address} is not on ${vip.interface} after it was added`);
      }
    }
    return true;
  }

  /** A command that was killed may have worked all the same, later than its lifetime was reckoned for. */
  async #removeWhatOutlives(leaseEndsAtMs: number, assigned: readonly AssignedAddress[]): Promise<void> {
    const nowMs = this.#clock.bootTimeMs();
    const ours = assigned.filter((entry) => this.#vips.some((vip) => isOn(vip, entry)));
    if (ours.every((entry) => endsBeforeLease(entry.validSeconds, nowMs, leaseEndsAtMs))) return;
    await this.absent();
    throw new HoldfastError(
      'COMMAND_TIMEOUT',
      'putting the virtual IP on took so long that it would outlive the lease',
    );
  }

  async #putOn(seconds: number): Promise<void> {
    const lifetime = `valid_lft ${seconds} preferred_lft ${seconds}`;
    const lines = this.#vips.map((vip) => {
      // Duplicate detection takes a second in which the address does not work; `conflict` has probed before.
      const nodad = vip.family === 6 ? ' nodad' : '';
      return `addr replace ${vip.address}/${vip.prefixLength} dev ${vip.interface}${nodad} ${lifetime}`;
    });
    const { exitCode, timedOut, stderr } = await this.#ip.run(lines, vipCommandLimitMs);
    if (timedOut) {
      throw new HoldfastError('COMMAND_TIMEOUT', `"ip" did not end within ${vipCommandLimitMs} ms`);
    }
    if (exitCode !== 0) throw new HoldfastError('VIP_FAILED', `${lines.join(', ')}: ${stderr.trim()}`);
  }

  async absent(others: readonly InterfaceAddress[] = []): Promise<void> {
    this.#keptUntilMs = 0;
    await removeAddresses([...this.#vips, ...others], this.#ip.run);
  }

  async conflict(): Promise<VipConflict | null> {
    for (const vip of this.#vips) requireInterface(vip.interface);
    const answers = await Promise.all(this.#vips.map((vip) => findStranger(vip)));
    return answers.find((answer) => answer !== null) ?? null;
  }

  async announce(): Promise<void> {
    await Promise.all(this.#vips.map((vip) => announceVip(vip)));
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
