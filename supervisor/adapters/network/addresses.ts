import * as z from 'zod';
import { HoldfastError, messageOf } from '#contracts/errors.ts';
import { mustRun } from '../command.ts';

const interfacesSchema = z.array(
  z.object({
    ifname: z.string().default(''),
    addr_info: z
      .array(
        z.object({
          local: z.string().default(''),
          family: z.string(),
          valid_life_time: z.number().default(0),
        }),
      )
      .default([]),
  }),
);

/** An address that is on an interface of this host now. */
export interface AssignedAddress {
  readonly interface: string;
  readonly address: string;
  /** Whole seconds; 4294967295 is for ever. */
  readonly validSeconds: number;
}

export const ipTimeoutMs = 1000;

/** Reads back what the kernel has. */
export async function assignedAddresses(): Promise<AssignedAddress[]> {
  return addressesIn(await mustRun('ip', ['-j', 'addr', 'show'], { timeoutMs: ipTimeoutMs }));
}

/**
 * What `ip -j addr show` prints. IPv6 addresses come in their canonical short form.
 * @throws HoldfastError VIP_FAILED when that is not what it is: then nothing is known about the addresses
 */
export function addressesIn(output: string): AssignedAddress[] {
  try {
    return parse(output);
  } catch (cause) {
    throw new HoldfastError(
      'VIP_FAILED',
      `the addresses of this host could not be read: ${messageOf(cause)}`,
      {
        cause,
      },
    );
  }
}

function parse(output: string): AssignedAddress[] {
  return interfacesSchema.parse(JSON.parse(output)).flatMap((entry) =>
    entry.addr_info.map((info) => ({
      interface: entry.ifname,
      address: info.local,
      validSeconds: info.valid_life_time,
    })),
  );
}
