import * as z from 'zod';
import { type Epoch, epochSchema } from './identities.ts';

/**
 * Permission to acknowledge mutations (guarantee G1): an epoch and the boot time at which it ends by itself.
 * The supervisor extends it with every lease renewal; nothing else can.
 */
export const gatePermitSchema = z.object({ epoch: epochSchema, validUntilMs: z.number() });
export interface GatePermit {
  readonly epoch: Epoch;
  /** Boot time, milliseconds. */
  readonly validUntilMs: number;
}
