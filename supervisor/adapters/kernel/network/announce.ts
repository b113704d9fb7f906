import { setTimeout as delay } from 'node:timers/promises';
import { HoldfastError } from '#contracts/errors.ts';
import type { CommandName } from '../../process/command.ts';
import { runAside } from '../../process/command-thread.ts';
import type { KernelVip } from './kernel-vip.ts';

/**
 * arping sends at once and then waits a second for answers that nobody gives to an announcement. What can go wrong
 * (no such interface, no permission) goes wrong before the first packet.
 */
const sentAfterMs = 60;

/**
 * One gratuitous ARP request (RFC 5227) or unsolicited neighbour advertisement with the override flag (RFC 4861,
 * 7.2.6), so that clients and switches send to this host from now on. None is sent after `untilMs`, in boot time.
 * @throws HoldfastError ANNOUNCE_FAILED
 */
export async function announceVip(vip: KernelVip, untilMs: number): Promise<void> {
  if (vip.family === 4) {
    await send(vip, untilMs, 'arping', ['-q', '-U', '-c', '1', '-I', vip.interface, vip.address]);
  } else {
    await send(vip, untilMs, 'ndptool', ['-t', 'na', '-U', '-i', vip.interface, '-T', vip.address, 'send']);
  }
}

async function send(
  vip: KernelVip,
  untilMs: number,
  command: CommandName,
  args: readonly string[],
): Promise<void> {
  const running = runAside(command, args, { timeoutMs: 3000, deadlineMs: untilMs });
  const result = await Promise.race([running, delay(sentAfterMs)]);
  if (result === undefined) {
    running.catch(() => {});
    return;
  }
  if (result.exitCode === 0 || result.timedOut) return;
  throw new HoldfastError(
    'ANNOUNCE_FAILED',
    `${vip.address} could not be announced on ${vip.interface}: ${command}: ${result.stderr.trim()}`,
  );
}
