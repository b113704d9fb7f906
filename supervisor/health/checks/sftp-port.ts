import { open, readFile } from 'node:fs/promises';
import { isIPv4 } from 'node:net';
import type { HealthFact } from '../../runtime/ports.ts';

/** The kernel lists those that listen first; the connections behind them do not matter. */
const maxTableBytes = 1024 * 1024;
const listening = '0A';
const netBindService = 1n << 10n;

/**
 * Whether the SFTP node of a promotion could listen. Looked up in the kernel's table of this network namespace and not
 * tried: to listen for an instant would answer clients who come to this host's own address, and would be in the way of
 * an SFTP node that starts at that moment. Connections that are in TIME_WAIT do not matter, as to a server that listens
 * with SO_REUSEADDR, which Node's do.
 */
export async function sftpPortFact(listen: string, port: number): Promise<HealthFact> {
  const name = 'SFTP port';
  const bad = (code: string, detail: string): HealthFact => ({ name, level: 'bad', code, detail });
  const where = `port ${port} of ${listen}`;
  const other = (await listenersOn(port)).find((at) => isInTheWay(at, listen));
  if (other !== undefined)
    return bad('PORT_IN_USE', `${where} is in use: another program listens on ${other}`);
  if (!(await mayBind(port))) return bad('PORT_FORBIDDEN', `this service may not listen on ${where}`);
  return { name, level: 'ok', code: '', detail: `${where} is free` };
}

/** The addresses of this network namespace on which somebody listens at this port. */
export async function listenersOn(port: number): Promise<string[]> {
  const tables = await Promise.all([readTable('/proc/net/tcp'), readTable('/proc/net/tcp6')]);
  return tables.flatMap((table) => listenersIn(table, port));
}

/** The addresses on which somebody listens at this port, by a table as /proc/net/tcp and tcp6. */
export function listenersIn(table: string, port: number): string[] {
  return table
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , state]) => state === listening)
    .flatMap(([, local = '']) => {
      const [address = '', hexPort = ''] = local.split(':');
      return Number.parseInt(hexPort, 16) === port ? [addressOf(address)] : [];
    });
}

/** Words of 32 bits, each in the byte order of the machine: little-endian on all that we run on. */
function addressOf(hex: string): string {
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap((word) => (word.match(/../g) ?? []).reverse());
  if (bytes.length === 4) return bytes.map((byte) => Number.parseInt(byte, 16)).join('.');
  const groups = (bytes.join('').match(/.{4}/g) ?? []).join(':');
  const mapped = /^(?:0000:){5}ffff:(..)(..):(..)(..)$/i.exec(groups);
  if (mapped === null) return canonical(groups);
  return mapped
    .slice(1)
    .map((byte) => Number.parseInt(byte, 16))
    .join('.');
}

function canonical(address: string): string {
  return isIPv4(address) ? address : new URL(`http://[${address}]`).hostname.slice(1, -1);
}

/** `::` takes IPv4 along, so it cannot be listened on beside any other address of the same port. */
function isInTheWay(other: string, listen: string): boolean {
  const own = canonical(listen);
  if (own === '::' || other === '::') return true;
  if (isIPv4(own) !== isIPv4(other)) return false;
  return own === other || own === '0.0.0.0' || other === '0.0.0.0';
}

async function readTable(path: string): Promise<string> {
  const file = await open(path).catch(() => null);
  // A kernel without IPv6 has no such table.
  if (file === null) return '';
  try {
    const buffer = Buffer.alloc(maxTableBytes);
    let length = 0;
    while (length < maxTableBytes) {
      const { bytesRead } = await file.read(buffer, length, maxTableBytes - length);
      if (bytesRead === 0) break;
      length += bytesRead;
      const lastLine =
        buffer
          .toString('latin1', Math.max(0, length - 400), length)
          .split('\n')
          .at(-2) ?? '';
      // Behind those that listen.
      if (/^\s*\d+: \S+ \S+ (?!0A)[0-9A-F]{2} /.test(lastLine)) break;
    }
    return buffer.toString('latin1', 0, length);
  } finally {
    await file.close();
  }
}

/** The SFTP node gets the capability from this process. */
async function mayBind(port: number): Promise<boolean> {
  const first = await readFile('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8').catch(() => '1024');
  if (port >= Number(first)) return true;
  const status = await readFile('/proc/self/status', 'latin1');
  const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0';
  return (BigInt(`0x${mask}`) & netBindService) !== 0n;
}
