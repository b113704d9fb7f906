import { isIPv4, isIPv6 } from 'node:net';
import * as z from 'zod';

/** A virtual IP as it is written (`10.0.0.5/24`), taken apart. */
export interface VipAddress {
  /** As it stands in holdfast.yaml, with or without a prefix length. */
  readonly written: string;
  readonly address: string;
  readonly prefixLength: number;
  readonly family: 4 | 6;
}

function parse(text: string): VipAddress | null {
  const [address = '', prefix, ...rest] = text.split('/');
  const family = isIPv4(address) ? 4 : isIPv6(address) && !address.includes('%') ? 6 : null;
  if (family === null || rest.length > 0) return null;
  const longest = family === 4 ? 32 : 128;
  const prefixLength =
    prefix === undefined ? longest : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN;
  if (!(prefixLength >= 1 && prefixLength <= longest)) return null;
  return { written: text, address, prefixLength, family };
}

/** An address with its prefix length; without one it is a host address (/32, /128). */
export const vipAddressSchema = z.string().transform((text, context): VipAddress => {
  const vip = parse(text);
  if (vip !== null) return vip;
  context.addIssue({ code: 'custom', message: 'is not an IPv4 or IPv6 address with a prefix length' });
  return z.NEVER;
});

/** An address, no name: peers must be reachable while DNS is not. */
export const ipAddressSchema = z
  .string()
  .refine((text) => isIPv4(text) || isIPv6(text), 'is not an IPv4 or IPv6 address');
