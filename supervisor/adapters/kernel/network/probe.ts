import { setTimeout as delay } from 'node:timers/promises';
import { HoldfastError } from '#contracts/errors.ts';
import type { VipConflict } from '../../../runtime/ports.ts';
import type { CommandResult } from '../../process/command.ts';
import { runAside } from '../../process/command-thread.ts';
import type { KernelVip } from './kernel-vip.ts';

/**
 * A host on the same segment answers within a millisecond or two; the probe runs beside the start of the SFTP node,
 * so that waiting this long costs the failover nothing. On a busy host starting the command may take longer than that,
 * so that nothing was asked yet: the next try is given more time.
 */
const probesMs = [120, 240, 480];
const restMs = 50;

type RunAside = typeof runAside;

/** Somebody answered, nobody did, or nobody was asked. */
type Answer =
  | { readonly is: 'taken'; readonly macAddress: string }
  | { readonly is: 'free' }
  | { readonly is: 'not-asked'; readonly why: string };

/**
 * Asks the segment who has the address (RFC 5227 ARP probe, IPv6 neighbour solicitation).
 * @throws HoldfastError VIP_PROBE_FAILED when nobody could be asked: that says nothing about the address
 */
export async function findStranger(vip: KernelVip, run: RunAside = runAside): Promise<VipConflict | null> {
  const probe = vip.family === 4 ? arpProbe : neighbourProbe;
  let why = '';
  for (const probeMs of probesMs) {
    const answer = await probe(vip, probeMs, run);
    if (answer.is === 'taken') return { address: vip.address, macAddress: answer.macAddress };
    if (answer.is === 'free') return null;
    why = answer.why;
    await delay(restMs);
  }
  throw new HoldfastError(
    'VIP_PROBE_FAILED',
    `it could not be asked on ${vip.interface} whether somebody has ${vip.address}: ${why}`,
  );
}

/** arping would wait a whole second; interrupted, it still tells how many probes it sent. */
async function arpProbe(vip: KernelVip, probeMs: number, run: RunAside): Promise<Answer> {
  const args = ['-D', '-c', '1', '-w', '1', '-I', vip.interface, vip.address];
  const result = await run('arping', args, { timeoutMs: probeMs, isInterrupted: true });
  const macAddress = /reply from \S+ \[([0-9A-F:]{17})\]/i.exec(result.stdout)?.[1]?.toLowerCase();
  if (macAddress !== undefined) return { is: 'taken', macAddress };
  const sent = Number(/^Sent (\d+) probe/m.exec(result.stdout)?.[1] ?? 0);
  return sent > 0 ? { is: 'free' } : { is: 'not-asked', why: reasonOf('arping', result) };
}

/** Ends by itself, with 2 when nobody answered. */
async function neighbourProbe(vip: KernelVip, probeMs: number, run: RunAside): Promise<Answer> {
  const args = ['-1', '-q', '-r', '1', '-w', String(probeMs - 20), vip.address, vip.interface];
  const result = await run('ndisc6', args, { timeoutMs: 2 * probeMs });
  const macAddress = /([0-9A-F]{2}(:[0-9A-F]{2}){5})/i.exec(result.stdout)?.[1]?.toLowerCase();
  if (result.exitCode === 0 && macAddress !== undefined) return { is: 'taken', macAddress };
  return result.exitCode === 2 ? { is: 'free' } : { is: 'not-asked', why: reasonOf('ndisc6', result) };
}

function reasonOf(command: string, { exitCode, timedOut, stderr }: CommandResult): string {
  if (timedOut) return `${command} had not asked by its time`;
  return exitCode === undefined
    ? `${command} was killed`
    : `${command} failed (${exitCode}): ${stderr.trim()}`;
}
