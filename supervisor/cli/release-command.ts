import { existsSync } from 'node:fs';
import { Command } from 'commander';
import { codeOf } from '#contracts/errors.ts';
import { createLogger } from '#contracts/log.ts';
import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { exitCodes } from './exit-codes.ts';
import { configOption } from './options.ts';

export function releaseCommand(): Command {
  return new Command('release')
    .description(
      'take the virtual IP off and revoke the lease that a dead supervisor left (systemd does this by itself)',
    )
    .addOption(configOption())
    .addHelpText('after', '\nTells what it does in log lines, JSON each, with or without --json.')
    .action(async ({ config }: { config: string }) => {
      const checked = loadConfig(config);
      const log = createLogger('release', checked.log.level, { node: checked.node.id });
      await refuseWhileSupervisorRuns(checked.paths.run);
      const { killSurvivors } = await import('../release/survivors.ts');
      await killSurvivors((fields, message) => log.info(fields, message));
      const { endEarlierRun } = await import('../release/cleanup.ts');
      const { FileRunState } = await import('../adapters/process/run-state.ts');
      const { createVirtualIps } = await import('../adapters/kernel/network/virtual-ips.ts');
      const { systemClock } = await import('../adapters/kernel/system-clock.ts');
      const { watchdogOf } = await import('../adapters/kernel/watchdog.ts');
      const ended = await endEarlierRun({
        runState: new FileRunState(checked.paths.run),
        vips: createVirtualIps(checked, systemClock, log),
        store: async () => ({ revokeLease: (leaseId) => revokeLease(checked, leaseId) }),
        watchdog: watchdogOf(checked),
        log,
      });
      process.exit(ended ? exitCodes.done : exitCodes.failed);
    });
}

/**
 * Nor may one start meanwhile: this process takes the run folder, where it is there. One that is dead but for a thread
 * that a disk holds still has it, and is cleaned up after.
 * @throws HoldfastError SUPERVISOR_RUNNING
 */
async function refuseWhileSupervisorRuns(run: string): Promise<void> {
  const { refuseWhileSupervisorLives } = await import('../adapters/process/run-holder.ts');
  refuseWhileSupervisorLives(run);
  if (!existsSync(run)) return;
  const { takeRunFolder } = await import('../adapters/process/run-lock.ts');
  await takeRunFolder(run).catch((error) => {
    if (codeOf(error) === 'SUPERVISOR_RUNNING') refuseWhileSupervisorLives(run);
  });
}

async function revokeLease(config: Config, leaseId: string): Promise<void> {
  const { revokeThroughGateway } = await import('../adapters/etcd/gateway.ts');
  try {
    await revokeThroughGateway(config.etcd, leaseId);
  } catch {
    // The gateway may be switched off.
    const { EtcdClient } = await import('../adapters/etcd/client.ts');
    const { EtcdStore } = await import('../adapters/etcd/store.ts');
    const { systemClock } = await import('../adapters/kernel/system-clock.ts');
    await new EtcdStore(new EtcdClient(config, systemClock), config).revokeLease(leaseId);
  }
}
