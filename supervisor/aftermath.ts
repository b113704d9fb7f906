import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '#contracts/errors.ts';
import type { Logger } from '#contracts/log.ts';
import { isRunning, killProcess } from './adapters/process/identity.ts';
import type { ClusterStore, RunState, VirtualIps } from './ports.ts';

export interface AftermathParts {
  readonly runState: RunState;
  readonly vips: VirtualIps;
  readonly store: () => Promise<Pick<ClusterStore, 'revokeLease'>>;
  readonly log: Logger;
}

/**
 * Ends what a supervisor that died left behind: its SFTP node, the virtual IP, and last its lease. In this order: the
 * moment the lease is gone another host takes over, and an SFTP node that was frozen when its supervisor died could
 * wake up with its gate still open, and the address would be on two hosts (both found by the simulator).
 *
 * No command of the dead supervisor may be under way any more: systemd empties the service's control group before it
 * starts the service again, and `holdfast release` does so first.
 *
 * @returns whether everything is ended; what is not ends by itself with the lease
 */
export async function endEarlierRun({ runState, vips, store, log }: AftermathParts): Promise<boolean> {
  const { leaseId, sftpNode } = runState.recall();
  try {
    if (sftpNode !== null) {
      killProcess(sftpNode);
      for (let waited = 0; isRunning(sftpNode); waited += 5) {
        if (waited > 1000) throw new Error(`the SFTP node ${sftpNode.pid} of an earlier run does not die`);
        await delay(5);
      }
    }
    await vips.absent();
    if (leaseId !== null) await (await store()).revokeLease(leaseId);
    runState.forget();
    return true;
  } catch (error) {
    log.warn(
      { leaseId, reason: messageOf(error) },
      'an earlier run could not be cleaned up: its lease ends by itself',
    );
    return false;
  }
}
