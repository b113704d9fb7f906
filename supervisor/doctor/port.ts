import type { Config } from '../config/schema.ts';
import type { Status } from '../control/status.ts';
import { isOver } from '../core/records/operation.ts';
import { listenersOn } from '../health/checks/sftp-port.ts';
import { type Finding, fine, wrong } from './finding.ts';

/**
 * Whether the port of the SFTP service is free on a host that does not serve. It is looked up in the kernel's tables
 * and not tried: to listen on it, for an instant, could be just when this host takes over.
 */
export async function examinePort(
  { sftp }: { sftp: Pick<Config['sftp'], 'port'> },
  status: Status,
): Promise<Finding> {
  const about = `port ${sftp.port}`;
  if (mayBeOurs(status)) return fine(about, 'is ours');
  if ((await listenersOn(sftp.port)).length === 0) return fine(about, 'is free');
  const what = `another program listens on port ${sftp.port}: this host could not serve`;
  return wrong('error', about, 'PORT_IN_USE', what);
}

/** The SFTP node of this host has it, or the one that is about to take over in a switchover. */
function mayBeOurs({ phase, processes, operation }: Status): boolean {
  return phase !== 'standby' || processes.sftpNode !== null || (operation !== null && !isOver(operation));
}
