import { HoldfastError, messageOf } from '#contracts/errors.ts';
import type { InterfaceAddress } from '../../../runtime/ports.ts';
import { mustRun } from '../../process/command.ts';
import { type RunIp, runIp } from './ip-batch.ts';

/** An address that is on an interface of this host now. */
export interface AssignedAddress {
  readonly interface: string;
  readonly address: string;
  /** Whole seconds; 4294967295 is for ever. */
  readonly validSeconds: number;
}

export const ipTimeoutMs = 1000;

/** Reads back what the kernel has (`ip -j addr`). IPv6 addresses come in their canonical short form. */
export async function assignedAddresses(): Promise<AssignedAddress[]> {
  return addressesIn(await mustRun('ip', ['-j', 'addr', 'show'], { timeoutMs: ipTimeoutMs }));
}

/**
 * Takes addresses off and reads back that they are gone, in one process: an outage waits for it.
 * @throws HoldfastError VIP_FAILED, COMMAND_TIMEOUT, COMMAND_MISSING
 */
export async function removeAddresses(
  unwanted: readonly InterfaceAddress[],
  run: RunIp = runIp,
): Promise<void> {
  const removals = unwanted.map(
    ({ address, prefixLength, interface: name }) => `addr del ${address}/${prefixLength} dev ${name}`,
  );
  const { stdout, stderr, timedOut } = await run([...removals, 'addr show'], ipTimeoutMs);
  if (timedOut) {
    throw new HoldfastError('COMMAND_TIMEOUT', `taking addresses off did not end within ${ipTimeoutMs} ms`);
  }
  // An address that is not on is an error to `ip`, and none here: only the look afterwards must not have failed.
  if (stdout === '' || new RegExp(`^Command failed -:${removals.length + 1}$`, 'm').test(stderr)) {
    throw new HoldfastError('VIP_FAILED', `the addresses of this host could not be read: ${stderr.trim()}`);
  }
  const after = addressesIn(stdout);
  const stuck = unwanted.find((address) => after.some((entry) => isOn(address, entry)));
  if (stuck !== undefined) {
    throw new HoldfastError(
      'VIP_FAILED',
      `${stuck.address} is still on ${stuck.interface} after removal: ${stderr.trim()}`,
    );
  }
}

export function isOn(wanted: InterfaceAddress, entry: AssignedAddress): boolean {
  return entry.address === wanted.address && entry.interface === wanted.interface;
}

/** What `ip -j addr show` prints, as far as it matters here. */
interface ListedInterface {
  readonly ifname?: string;
  readonly addr_info?: readonly { readonly local?: string; readonly valid_life_time?: number }[];
}

/** @throws HoldfastError VIP_FAILED when it is not a list of interfaces: then nothing is known about the addresses */
function addressesIn(output: string): AssignedAddress[] {
  return listed(output).flatMap(({ ifname = '', addr_info: addresses = [] }) =>
    addresses.map(({ local = '', valid_life_time: validSeconds = 0 }) => ({
      interface: ifname,
      address: local,
      validSeconds,
    })),
  );
}

/** Not by a schema: loading zod would take a third of the time that the release after a crash may take. */
function listed(output: string): ListedInterface[] {
  try {
    const interfaces: unknown = JSON.parse(output);
    // There is a loopback at least: an empty list is one that was cut off.
    if (Array.isArray(interfaces) && interfaces.length > 0) return interfaces;
    throw new Error('`ip` lists no interface, not even a loopback');
  } catch (cause) {
    const reason = messageOf(cause);
    throw new HoldfastError('VIP_FAILED', `the addresses of this host could not be read: ${reason}`, {
      cause,
    });
  }
}
