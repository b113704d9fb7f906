import * as z from 'zod';
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

/** Reads back what the kernel has (`ip -j addr`). IPv6 addresses come in their canonical short form. */
export async function assignedAddresses(): Promise<AssignedAddress[]> {
  const output = await mustRun('ip', ['-j', 'addr', 'show'], { timeoutMs: ipTimeoutMs });
  return interfacesSchema.parse(JSON.parse(output)).flatMap((entry) =>
    entry.addr_info.map((info) => ({
      interface: entry.ifname,
      address: info.local,
      validSeconds: info.valid_life_time,
    })),
  );
}
