/**
 * Checks what a run wrote down about itself. By hand: loading zod would take a third of the time that the release after
 * a crash may take, and nobody serves meanwhile.
 */
import { isAbsolute } from 'node:path';
import type {
  EtcdMembers,
  InterfaceAddress,
  ProcessIdentity,
  RunMemory,
  RunSettings,
} from '../../runtime/ports.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Null unless everything is as it must be: half of a memory would leave half of a run behind. */
export function memoryOf(value: unknown): RunMemory | null {
  if (!isRecord(value)) return null;
  const { leaseId, sftpNode, settings = null } = value;
  if (leaseId !== null && !isText(leaseId, /^-?\d{1,20}$/)) return null;
  if (sftpNode !== null && !isProcess(sftpNode)) return null;
  if (settings !== null && !isSettings(settings)) return null;
  return { leaseId, sftpNode, settings };
}

function isProcess(value: unknown): value is ProcessIdentity {
  return isRecord(value) && isWhole(value.pid, 1, 2 ** 22) && isText(value.startTicks, /^\d{1,20}$/);
}

function isSettings(value: unknown): value is RunSettings {
  if (!isRecord(value)) return false;
  const { node, vips, etcd, watchdog } = value;
  const named = isText(node, /^[a-z0-9.-]{1,63}$/) && (watchdog === null || isPath(watchdog));
  return named && isListOf(vips, isAddress) && isEtcd(etcd);
}

/** What becomes a line of input to `ip`, which refuses what is no address (Node's own check costs 4 ms at first). */
function isAddress(value: unknown): value is InterfaceAddress {
  if (!isRecord(value)) return false;
  const { address, prefixLength, interface: name } = value;
  const longest = isText(address, /^\d{1,3}(\.\d{1,3}){3}$/)
    ? 32
    : isText(address, /^[0-9a-f:.]{2,45}$/)
      ? 128
      : 0;
  return isWhole(prefixLength, 1, longest) && isText(name, /^[A-Za-z0-9_.-]{1,15}$/);
}

function isEtcd(value: unknown): value is EtcdMembers {
  if (!isRecord(value) || !isListOf(value.endpoints, isEndpoint)) return false;
  const { tls, username, passwordFile } = value;
  if (username !== undefined && (!isText(username, /^[^\n]{1,128}$/) || !isPath(passwordFile))) return false;
  if (tls === undefined) return true;
  if (!isRecord(tls)) return false;
  return isPath(tls.ca) && [tls.cert, tls.key].every((path) => path === undefined || isPath(path));
}

function isEndpoint(value: unknown): value is string {
  return isText(value, /^https?:/i) && URL.canParse(value);
}

function isPath(value: unknown): value is string {
  return typeof value === 'string' && isAbsolute(value);
}

function isText(value: unknown, pattern: RegExp): value is string {
  return typeof value === 'string' && pattern.test(value);
}

function isWhole(value: unknown, least: number, most: number): value is number {
  return Number.isInteger(value) && Number(value) >= least && Number(value) <= most;
}

function isListOf<Item>(value: unknown, isItem: (item: unknown) => item is Item): value is Item[] {
  return Array.isArray(value) && value.length >= 1 && value.length <= 16 && value.every(isItem);
}

function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
