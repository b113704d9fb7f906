import { messageOf } from '#contracts/errors.ts';
import type { Logger } from '#contracts/log.ts';
import { endProcesses } from '../adapters/process/identity.ts';
import type { ClusterStore, ProcessIdentity, RunState, VirtualIps, Watchdog } from '../runtime/ports.ts';

export interface CleanupOptions {
  readonly runState: RunState;
  readonly vips: Pick<VirtualIps, 'absent'>;
  /** Called while the address goes off, to be at hand when it is. */
  readonly store: () => Promise<Pick<ClusterStore, 'revokeLease'>>;
  /** Null: none is used. */
  readonly watchdog: Pick<Watchdog, 'stopOrphan'> | null;
}

/**
 * Ends what a supervisor that died left behind: its SFTP node, the virtual IP, its lease, and last the machine's
 * watchdog. In this order: the moment the lease is gone another host takes over, and an SFTP node that was frozen when
 * its supervisor died could wake up with its gate still open, and the address would be on two hosts (both found by the
 * simulator); and the machine is reset while anything of it is left.
 *
 * No command of the dead supervisor may be under way any more: systemd empties the service's control group before it
 * starts the service again, and `holdfast release` does so first.
 *
 * @throws when something is not ended; it ends by itself with the lease, or with the machine that the watchdog resets
 */
export async function endWhatIsLeft({ runState, vips, store, watchdog }: CleanupOptions): Promise<void> {
  const { leaseId, sftpNode, settings } = runState.recall();
  if (sftpNode !== null) await end(sftpNode);
  const addressesOff = vips.absent(settings?.vips ?? []);
  if (leaseId === null) await addressesOff;
  else {
    const [opened] = await Promise.all([store(), addressesOff]);
    await opened.revokeLease(leaseId);
  }
  runState.forget();
  watchdog?.stopOrphan();
}

/** As `endWhatIsLeft`. @returns whether everything is ended; what is not is logged */
export async function endEarlierRun({
  log,
  ...options
}: CleanupOptions & { readonly log: Logger }): Promise<boolean> {
  try {
    await endWhatIsLeft(options);
    return true;
  } catch (error) {
    const { leaseId } = options.runState.recall();
    log.warn(
      { leaseId, reason: messageOf(error) },
      'an earlier run could not be cleaned up: its lease ends by itself',
    );
    return false;
  }
}

async function end(sftpNode: ProcessIdentity): Promise<void> {
  const [stuck] = await endProcesses([sftpNode]);
  if (stuck) throw new Error(`the SFTP node ${stuck.pid} of an earlier run does not die`);
}
