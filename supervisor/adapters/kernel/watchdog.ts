import { accessSync, closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs';
import { basename, join } from 'node:path';
import { HoldfastError, messageOf } from '#contracts/errors.ts';
import type { Config } from '../../config/schema.ts';
import type { Watchdog } from '../../runtime/ports.ts';
import { runCommand } from '../process/command.ts';

const sysfsFolder = '/sys/class/watchdog';
/** Timers run slow: Intel's 6300ESB takes 2.01 s for 2 s, QEMU's copy of it 2.03 s. */
const slowness = 1.05;
/** Of a lease, so that a feed after a late renewal fits in. */
const feedWindowMs = 900;

/**
 * A watchdog timer of the machine by the kernel's interface (Documentation/watchdog/watchdog-api.rst): from `arm` on the
 * machine is reset unless it is fed in time, also when this process dies; `V` before closing stops that.
 */
export class DeviceWatchdog implements Watchdog {
  readonly #device: string;
  readonly #longestMs: number;
  readonly #sysfs: string;
  #timeoutMs: number;
  #descriptor: number | null = null;

  /** @param longestSeconds what the timer is set to, and is at most */
  constructor(device: string, longestSeconds: number, sysfs = sysfsFolder) {
    this.#device = device;
    this.#longestMs = longestSeconds * 1000;
    this.#timeoutMs = this.#longestMs;
    this.#sysfs = sysfs;
  }

  get timeoutMs(): number {
    return this.#timeoutMs;
  }

  get resetsWithinMs(): number {
    return this.#timeoutMs * slowness;
  }

  /**
   * Sets the timer. Node has no ioctl; `wdctl` opens the device, which starts it, and stops it as it closes: one that
   * cannot be stopped would reset the machine.
   */
  async prepare(): Promise<void> {
    const seconds = this.#longestMs / 1000;
    if (this.#setting('nowayout') !== 0 || this.#setting('timeout') === seconds) return;
    await runCommand('wdctl', ['--settimeout', String(seconds), this.#device], { timeoutMs: 5000 });
  }

  async problem(): Promise<string | null> {
    try {
      accessSync(this.#device, constants.W_OK);
    } catch (error) {
      return `${this.#device} cannot be used: ${messageOf(error)}`;
    }
    return this.#unfitness();
  }

  arm(): void {
    if (this.#descriptor !== null) return;
    const unfitness = this.#unfitness();
    if (unfitness !== null) throw new HoldfastError('WATCHDOG_UNUSABLE', unfitness);
    this.#timeoutMs = this.#setting('timeout') * 1000;
    try {
      this.#descriptor = openSync(this.#device, constants.O_WRONLY);
    } catch (cause) {
      const what = `${this.#device} cannot be armed: ${messageOf(cause)}`;
      throw new HoldfastError('WATCHDOG_UNUSABLE', what, { cause });
    }
    this.feed();
  }

  feed(): void {
    this.#write('\0');
  }

  disarm(): void {
    if (this.#descriptor === null) return;
    this.#write('V');
    closeSync(this.#descriptor);
    this.#descriptor = null;
  }

  stopOrphan(): void {
    // To open one that stands still would start it, and not each can be stopped again.
    if (settingOf(this.#device, 'state', this.#sysfs) !== 'active' || this.#setting('nowayout') !== 0) return;
    try {
      const descriptor = openSync(this.#device, constants.O_WRONLY);
      writeSync(descriptor, 'V');
      closeSync(descriptor);
    } catch {
      // Then the machine is reset, as it would have been without us.
    }
  }

  /** A write that fails feeds nothing: the machine is reset, which is what the timer is for. */
  #write(text: string): void {
    if (this.#descriptor === null) return;
    try {
      writeSync(this.#descriptor, text);
    } catch {}
  }

  /** Why the kernel's settings do not do, as they are now; null when they do. */
  #unfitness(): string | null {
    const seconds = this.#setting('timeout');
    const isStoppable = this.#setting('nowayout') === 0;
    if (Number.isNaN(seconds)) return `${this.#device}: the kernel does not tell its timeout`;
    if (!isStoppable) {
      return `${this.#device} cannot be stopped again (nowayout): the machine would be reset whenever leadership ends`;
    }
    if (seconds * 1000 > this.#longestMs) {
      return `${this.#device} resets the machine after ${seconds} s, which is too late for a lease: ${this.#longestMs / 1000} s are needed`;
    }
    return null;
  }

  #setting(name: 'timeout' | 'nowayout'): number {
    return Number(settingOf(this.#device, name, this.#sysfs) ?? Number.NaN);
  }
}

/** As the kernel tells it; null when it does not. */
function settingOf(device: string, name: 'timeout' | 'nowayout' | 'state', sysfs: string): string | null {
  const folder = basename(device) === 'watchdog' ? 'watchdog0' : basename(device);
  try {
    return readFileSync(join(sysfs, folder, name), 'utf8').trim();
  } catch {
    return null;
  }
}

/** As configured; null: none is to be used. As long as fits into a lease with the time to feed it. */
export function watchdogOf({ watchdog, lease }: Pick<Config, 'watchdog' | 'lease'>): DeviceWatchdog | null {
  if (watchdog.mode === 'off') return null;
  return new DeviceWatchdog(watchdog.device, Math.floor((lease.ttl - feedWindowMs) / 1000 / slowness));
}
