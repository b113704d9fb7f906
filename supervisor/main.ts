import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { HoldfastError, messageOf } from '#contracts/errors.ts';
import { createLogger } from '#contracts/log.ts';
import { startCommandThread } from './adapters/command-thread.ts';
import { GatewayPlacement } from './adapters/etcd/placement.ts';
import { EtcdStore } from './adapters/etcd/store.ts';
import { interfaceAddressOf } from './adapters/network/kernel-vips.ts';
import { createVirtualIps } from './adapters/network/virtual-ips.ts';
import { createNotifier } from './adapters/notifier.ts';
import { FileRunState } from './adapters/run-state.ts';
import { systemClock } from './adapters/system-clock.ts';
import { watchdogOf } from './adapters/watchdog.ts';
import { type Config, commandVipsOf, kernelVipsOf } from './config/schema.ts';
import { serveControl } from './control/server.ts';
import type { RunSettings } from './ports.ts';
import { Supervisor } from './supervisor.ts';
import { version } from './version.ts';

/** Runs the supervisor of this host until SIGTERM or SIGINT. @throws HoldfastError ROOT_UNUSABLE */
export async function runSupervisor(config: Config): Promise<void> {
  const log = createLogger('supervisor', config.log.level, { node: config.node.id });
  makeFolders(config);
  startCommandThread();
  const notifier = createNotifier(systemClock, log);
  const watchdog = watchdogOf(config);
  await watchdog?.prepare();
  const supervisor = new Supervisor({
    config,
    store: new EtcdStore(config, systemClock, log),
    placement: config.etcd.moveLeader ? new GatewayPlacement(config.etcd) : null,
    vips: createVirtualIps(config, systemClock, log),
    clock: systemClock,
    runState: new FileRunState(config.paths.run, runSettings(config)),
    notifier,
    watchdog,
    log,
  });
  const control = serveControl(supervisor, systemClock, log);
  const stop = (signal: NodeJS.Signals) => {
    log.info({ signal }, 'stopping: the service is handed over');
    notifier.stopping();
    supervisor.stop();
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  log.info({ version, cluster: config.cluster, etcd: config.etcd.endpoints }, 'started as standby');
  await supervisor.run();
  control.close();
  log.info('stopped');
}

/** What `release.js` goes by after a crash; null where it takes more than `ip` and etcd, and holdfast.yaml is needed. */
function runSettings(config: Config): RunSettings | null {
  if (commandVipsOf(config).length > 0) return null;
  const { endpoints, tls, username, passwordFile } = config.etcd;
  return {
    node: config.node.id,
    vips: kernelVipsOf(config).map(interfaceAddressOf),
    etcd: { endpoints, tls, username, passwordFile },
    watchdog: config.watchdog.mode === 'off' ? null : config.watchdog.device,
  };
}

function makeFolders(config: Config): void {
  const { config: configRoot, data, state, run } = config.paths;
  const folders: [path: string, mode: number][] = [
    [configRoot, 0o700],
    [data, 0o750],
    [join(data, 'files'), 0o750],
    [state, 0o700],
    [run, 0o755],
  ];
  for (const [path, mode] of folders) {
    try {
      mkdirSync(path, { recursive: true, mode });
    } catch (cause) {
      throw new HoldfastError('ROOT_UNUSABLE', `${path} cannot be made: ${messageOf(cause)}`, { cause });
    }
  }
}
