import type { InterfaceAddress } from '../../../runtime/ports.ts';

/** A virtual IP that the kernel has. */
export interface KernelVip extends InterfaceAddress {
  readonly family: 4 | 6;
}
