import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { HoldfastError, messageOf } from '#contracts/errors.ts';
import { createLogger } from '#contracts/log.ts';
import { version } from '#contracts/version.ts';
import { systemClock } from './adapters/kernel/system-clock.ts';
import { watchdogOf } from './adapters/kernel/watchdog.ts';
import { warmUp } from './adapters/process/child.ts';
import { startCommandThread } from './adapters/process/command-thread.ts';
import { takeRunFolder } from './adapters/process/run-lock.ts';
import { createNotifier } from './adapters/systemd/notifier.ts';
import { realParts } from './composition.ts';
import type { Config } from './config/schema.ts';
import { Operator } from './control/operator.ts';
import { serveControl } from './control/server.ts';
import { Supervisor } from './runtime/supervisor.ts';

/** Runs the supervisor of this host until SIGTERM or SIGINT. @throws HoldfastError ROOT_UNUSABLE, SUPERVISOR_RUNNING */
export async function runSupervisor(config: Config): Promise<void> {
  const log = createLogger('supervisor', config.log.level, { node: config.node.id });
  makeFolders(config);
  // Before anything that a supervisor which runs already would lose.
  await takeRunFolder(config.paths.run);
  startCommandThread();
  const notifier = createNotifier(systemClock, log);
  const watchdog = watchdogOf(config);
  await watchdog?.prepare();
  const parts = realParts(config, { notifier, watchdog, log });
  const supervisor = new Supervisor(parts);
  const operator = new Operator({
    store: parts.store,
    clock: systemClock,
    log,
    onWritten: () => supervisor.readSoon(),
  });
  warmUp('sftp-node', config);
  const control = serveControl(supervisor, operator, systemClock, log);
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
