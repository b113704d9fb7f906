import * as z from 'zod';
import { epochSchema } from '../identities.ts';
import { lateMessageSchema } from '../lateness.ts';
import { gatePermitSchema } from '../write-gate.ts';

/**
 * Messages between the supervisor and its SFTP node, over the IPC channel of the child process. When it
 * closes, the node exits at once, and with it go its gate and its connections.
 */

/** All the node needs to know; it reads no configuration file of its own but users and host keys. */
export const sftpNodeSettingsSchema = z.object({
  cluster: z.string(),
  nodeId: z.string(),
  /** Address to listen on; `::` takes IPv4 as well. */
  listenAddress: z.string(),
  port: z.int(),
  /** Holds `users.yaml` and `host_keys/`. */
  configRoot: z.string(),
  /** The replicated tree; homes are below it. */
  filesRoot: z.string(),
  /** Unix socket at which the replicator takes changes. */
  engineSocket: z.string(),
  /** Places of connections that have not logged in: contracts/connection-places.ts. */
  startups: z.object({
    begin: z.int().nonnegative(),
    ratePercent: z.int().nonnegative(),
    full: z.int().positive(),
    perSource: z.int().positive(),
    kept: z.int().nonnegative(),
  }),
  /** 0: clients are sent no SSH pings. */
  clientAliveIntervalMs: z.int().nonnegative(),
  clientAliveCountMax: z.int().positive(),
  logLevel: z.string(),
});
export type SftpNodeSettings = z.infer<typeof sftpNodeSettingsSchema>;

export const toSftpNodeSchema = z.discriminatedUnion('type', [
  /** To a spare, before `start`: do once what that will do, so that it is quick. Users and the port are kept for it. */
  z.object({ type: z.literal('rehearse'), settings: sftpNodeSettingsSchema }),
  /**
   * The first message to a node that was not kept as a spare. The node reads keys and users, listens, and answers
   * `listening` or `failed`.
   */
  z.object({ type: z.literal('start'), epoch: epochSchema, settings: sftpNodeSettingsSchema }),
  /** Opens or extends the write gate. A permit of another epoch than `start`'s is ignored. */
  z.object({ type: z.literal('gate'), permit: gatePermitSchema }),
  /** Shuts the write gate now; answered by `gate-shut` once no acknowledgement can leave any more. */
  z.object({ type: z.literal('shut-gate') }),
  /**
   * Serve everybody until the transfers that run now have ended; then take nobody new until the rest has; all within
   * `limitMs`. Then shut the gate; answered by `drained`.
   */
  z.object({ type: z.literal('drain'), limitMs: z.number().nonnegative() }),
  /** Take up service again after a drain or a shut gate; answered by `listening`. The gate needs a new permit. */
  z.object({ type: z.literal('resume') }),
  /** Answered by `pong`: whether the process lives is asked here, not at the port, which many may wait at. */
  z.object({ type: z.literal('ping'), id: z.int() }),
  /** Close every client connection and exit 0. */
  z.object({ type: z.literal('stop') }),
]);
export type ToSftpNode = z.infer<typeof toSftpNodeSchema>;

export const fromSftpNodeSchema = z.discriminatedUnion('type', [
  /** The answer to `rehearse`: all that takes long is done. */
  z.object({ type: z.literal('rehearsed') }),
  z.object({ type: z.literal('listening'), epoch: epochSchema, port: z.int() }),
  z.object({ type: z.literal('failed'), code: z.string(), message: z.string() }),
  z.object({ type: z.literal('gate-shut'), epoch: epochSchema }),
  z.object({
    type: z.literal('drained'),
    epoch: epochSchema,
    /** Transfers that the limit cut short. */
    cutTransfers: z.int().nonnegative(),
  }),
  z.object({
    type: z.literal('pong'),
    id: z.int(),
    /** Whether the port is listened on. */
    listening: z.boolean(),
    /** False when clients could not be taken lately, as for want of descriptors. */
    accepting: z.boolean(),
  }),
  lateMessageSchema,
  /** Sent every second, and at once when the numbers change from or to zero. */
  z.object({
    type: z.literal('activity'),
    sessions: z.int().nonnegative(),
    transfers: z.int().nonnegative(),
    /** Connections that were dropped before login since the start. */
    dropped: z.int().nonnegative(),
  }),
]);
export type FromSftpNode = z.infer<typeof fromSftpNodeSchema>;
