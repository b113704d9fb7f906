import { readFileSync } from 'node:fs';
import type { Config } from '../config/schema.ts';
import type { Status } from '../control/status.ts';
import { isOver } from '../core/records/operation.ts';
import { type Finding, fine, wrong } from './finding.ts';

/** The state LISTEN in the kernel's tables of sockets. */
const listening = '0A';

/**
 * Whether the port of the SFTP service is free on a host that does not serve. It is looked up in the kernel's tables
 * and not tried: to listen on it, for an instant, could be just when this host takes over.
 */
export function examinePort({ sftp }: { sftp: Pick<Config['sftp'], 'port'> }, status: Status): Finding {
  const about = `port ${sftp.port}`;
  if (mayBeOurs(status)) return fine(about, 'is ours');
  const tables = ['/proc/net/tcp', '/proc/net/tcp6'].map(readTable);
  if (!tables.some((text) => isListenedOn(text, sftp.port))) return fine(about, 'is free');
  const what = `another program listens on port ${sftp.port}: this host could not serve`;
  return wrong('error', about, 'PORT_IN_USE', what);
}

/** The SFTP node of this host has it, or the one that is about to take over in a switchover. */
function mayBeOurs({ phase, processes, operation }: Status): boolean {
  return phase !== 'standby' || processes.sftpNode !== null || (operation !== null && !isOver(operation));
}

/** @param table as /proc/net/tcp: number, local address and port in hexadecimal, remote ones, state */
export function isListenedOn(table: string, port: number): boolean {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  return table.split('\n').some((line) => {
    const [, local = '', , state] = line.trim().split(/\s+/);
    return state === listening && local.endsWith(`:${wanted}`);
  });
}

function readTable(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // A kernel without IPv6 has no such table.
    return '';
  }
}
