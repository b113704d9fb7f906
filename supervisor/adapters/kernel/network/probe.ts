import type { VipConflict } from '../../../runtime/ports.ts';
import { runAside } from '../../process/command-thread.ts';
import type { KernelVip } from './kernel-vip.ts';

/**
 * A host on the same segment answers within a millisecond or two; the probe runs beside the start of the SFTP node,
 * so that waiting this long costs the failover nothing.
 */
const probeMs = 120;

/** Asks the segment who has the address (RFC 5227 ARP probe, IPv6 neighbour solicitation). */
export async function findStranger(vip: KernelVip): Promise<VipConflict | null> {
  const macAddress = vip.family === 4 ? await arpProbe(vip) : await neighbourProbe(vip);
  return macAddress === null ? null : { address: vip.address, macAddress };
}

async function arpProbe(vip: KernelVip): Promise<string | null> {
  const args = ['-D', '-c', '1', '-w', '1', '-I', vip.interface, vip.address];
  const { stdout } = await runAside('arping', args, { timeoutMs: probeMs });
  return /reply from \S+ \[([0-9A-F:]{17})\]/i.exec(stdout)?.[1]?.toLowerCase() ?? null;
}

async function neighbourProbe(vip: KernelVip): Promise<string | null> {
  const args = ['-1', '-q', '-r', '1', '-w', String(probeMs - 20), vip.address, vip.interface];
  const { stdout, exitCode } = await runAside('ndisc6', args, { timeoutMs: probeMs });
  return exitCode === 0 ? (/([0-9A-F]{2}(:[0-9A-F]{2}){5})/i.exec(stdout)?.[1]?.toLowerCase() ?? null) : null;
}
