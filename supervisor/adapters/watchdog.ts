import { accessSync, closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs';
import { basename, join } from 'node:path';
import { HoldfastError, messageOf } from '#contracts/errors.ts';
import type { Config } from '../config/schema.ts';
import type { Watchdog } from '../ports.ts';
import { runCommand } from './command.ts';

/**
 * A watchdog timer of the machine by the kernel's interface (Documentation/watchdog/watchdog-api.rst): from `arm` on the
 * machine is reset unless it is fed in time, also when this process dies; `V` before closing stops that.
 */
export class DeviceWatchdog implements Watchdog {
  readonly timeoutMs: number;
  readonly #device: string;
  readonly #sysfs: string;
  #descriptor: number | null = null;

  /** @param timeoutSeconds what the timer is set to at most */
  constructor(device: string, timeoutSeconds: number, sysfs = '/sys/class/watchdog') {
    this.#device = device;
    this.timeoutMs = timeoutSeconds * 1000;
    this.#sysfs = sysfs;
  }

  /** Sets the timer, where it is set to more. (Node has no ioctl; `wdctl` opens the device and closes it again.) */
  async prepare(): Promise<void> {
    if (this.#settingOf('timeout') <= this.timeoutMs / 1000) return;
    const args = ['--settimeout', String(this.timeoutMs / 1000), this.#device];
    await runCommand('wdctl', args, { timeoutMs: 5000 });
  }

  async problem(): Promise<string | null> {
    try {
      accessSync(this.#device, constants.W_OK);
    } catch (error) {
      return `${this.#device} cannot be used: ${messageOf(error)}`;
    }
    const seconds = this.#settingOf('timeout');
    if (Number.isNaN(seconds)) return `${this.#device}: the kernel does not tell its timeout`;
    if (seconds * 1000 > this.timeoutMs) {
      return `${this.#device} resets the machine after ${seconds} s, which is too late for a lease: ${this.timeoutMs / 1000} s are needed`;
    }
    if (this.#settingOf('nowayout') === 1) {
      return `${this.#device} cannot be stopped again (nowayout): the machine would be reset whenever leadership ends`;
    }
    return null;
  }

  arm(): void {
    if (this.#descriptor !== null) return;
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

  /** A write that fails feeds nothing: the machine is reset, which is what the timer is for. */
  #write(text: string): void {
    if (this.#descriptor === null) return;
    try {
      writeSync(this.#descriptor, text);
    } catch {}
  }

  #settingOf(name: string): number {
    const device = basename(this.#device);
    try {
      const folder = device === 'watchdog' ? 'watchdog0' : device;
      return Number(readFileSync(join(this.#sysfs, folder, name), 'utf8').trim());
    } catch {
      return Number.NaN;
    }
  }
}

/** As configured; null: none is to be used. A second less than a lease, so that a feed after a late renewal fits in. */
export function watchdogOf({ watchdog, lease }: Pick<Config, 'watchdog' | 'lease'>): DeviceWatchdog | null {
  if (watchdog.mode === 'off') return null;
  return new DeviceWatchdog(watchdog.device, Math.floor((lease.ttl - 1000) / 1000));
}

/** Stops the timer that a supervisor which died had armed, once nothing of its leadership is left. */
export function stopWatchdog(device: string): void {
  const watchdog = new DeviceWatchdog(device, 0);
  try {
    watchdog.arm();
    watchdog.disarm();
  } catch {
    // Then the machine is reset, as it would have been without us.
  }
}
