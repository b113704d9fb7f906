import type { Logger } from '#contracts/log.ts';
import { EtcdClient } from './adapters/etcd/client.ts';
import { GatewayPlacement } from './adapters/etcd/placement.ts';
import { EtcdStore } from './adapters/etcd/store.ts';
import { interfaceAddressOf, linkAddressesOf } from './adapters/kernel/network/kernel-vips.ts';
import { createVirtualIps } from './adapters/kernel/network/virtual-ips.ts';
import { systemClock } from './adapters/kernel/system-clock.ts';
import { systemTimers } from './adapters/kernel/system-timers.ts';
import type { DeviceWatchdog } from './adapters/kernel/watchdog.ts';
import { identityOf } from './adapters/process/identity.ts';
import { ReplicatorProcess } from './adapters/process/replicator.ts';
import { FileRunState } from './adapters/process/run-state.ts';
import { SftpNodeProcess } from './adapters/process/sftp-node.ts';
import { type Config, commandVipsOf, kernelVipsOf } from './config/schema.ts';
import { Lateness } from './health/lateness.ts';
import { HealthMonitor } from './health/monitor.ts';
import { endEarlierRun } from './release/cleanup.ts';
import type { Notifier, RunSettings } from './runtime/ports.ts';
import { saveRecording } from './runtime/recent-decisions.ts';
import type { SupervisorOptions } from './runtime/supervisor.ts';

/** The supervisor's world, of real parts. @throws HoldfastError ETCD_TLS_UNUSABLE, ETCD_PASSWORD_UNREADABLE */
export function realParts(
  config: Config,
  { notifier, watchdog, log }: { notifier: Notifier; watchdog: DeviceWatchdog | null; log: Logger },
): SupervisorOptions {
  const clock = systemClock;
  const store = new EtcdStore(new EtcdClient(config, clock, log), config);
  const vips = createVirtualIps(config, clock, log);
  const lateness = new Lateness(() => clock.bootTimeMs());
  let node: SftpNodeProcess | null = null;
  let replicator: ReplicatorProcess | null = null;
  const runState = new FileRunState(config.paths.run, runSettings(config));
  return {
    config,
    store,
    clock,
    timers: systemTimers,
    vips,
    sftpNode: (reports) => {
      node = new SftpNodeProcess(config, reports, log, (byMs) => lateness.add('sftp-node', byMs));
      return node;
    },
    replicator: (reports) => {
      replicator = new ReplicatorProcess(config, reports, log, (byMs) => lateness.add('replicator', byMs));
      return replicator;
    },
    health: (reports) =>
      new HealthMonitor({
        config,
        watchdog,
        askForAddresses: () => vips.conflict(),
        engine: {
          ask: (id) => replicator?.ask(id),
          answer: () => replicator?.answer ?? null,
          pid: () => replicator?.pid,
        },
        node: { ask: (id) => node?.ask(id), answer: () => node?.answer ?? null },
        lateness,
        quarantine: () => replicator?.quarantine ?? null,
        failedFiles: () => replicator?.failedFiles ?? null,
        reports,
      }),
    placement: config.etcd.moveLeader ? new GatewayPlacement(config.etcd) : null,
    watchdog,
    runState,
    notifier,
    identityOf,
    linkAddresses: () => linkAddressesOf(config),
    cleanUpEarlierRun: () => endEarlierRun({ runState, vips, store: async () => store, watchdog, log }),
    saveRecording: (recording) => saveRecording(config.paths.state, recording, clock.wallTimeIso()),
    crash: (error) => {
      // Out of whatever called: nobody may catch it.
      setImmediate(() => {
        throw error;
      });
    },
    log,
  };
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
