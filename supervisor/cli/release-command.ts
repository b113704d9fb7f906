import { Command } from 'commander';
import { messageOf } from '#contracts/errors.ts';
import { loadConfig } from '../config/load.ts';
import { configOption } from './options.ts';

export function releaseCommand(): Command {
  return new Command('release')
    .description(
      'take the virtual IP off and revoke the lease that a dead supervisor left (systemd runs this)',
    )
    .addOption(configOption())
    .action(async ({ config }: { config: string }) => {
      const checked = loadConfig(config);
      const { systemClock } = await import('../adapters/system-clock.ts');
      const { KernelVips } = await import('../adapters/network/kernel-vips.ts');
      // The address first: it needs neither etcd nor its client.
      await new KernelVips(checked.vips, systemClock).absent();
      await revoke(checked);
      process.exit(process.exitCode ?? 0);
    });
}

async function revoke(config: ReturnType<typeof loadConfig>): Promise<void> {
  const { FileRunState } = await import('../adapters/run-state.ts');
  const runState = new FileRunState(config.paths.run);
  const leaseId = runState.rememberedLease();
  if (leaseId === null) return;
  const { EtcdStore } = await import('../adapters/etcd/store.ts');
  const { systemClock } = await import('../adapters/system-clock.ts');
  const store = new EtcdStore(config, systemClock);
  try {
    await store.revokeLease(leaseId);
    runState.forgetLease();
  } catch (error) {
    process.stderr.write(`holdfast release: the lease ends by itself within its TTL: ${messageOf(error)}\n`);
    process.exitCode = 1;
  } finally {
    store.close();
  }
}
