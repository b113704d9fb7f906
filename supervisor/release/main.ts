/**
 * release.js RUN_FOLDER CONFIG_FILE
 *
 * What systemd runs after a supervisor that died. Nobody serves meanwhile, so it loads next to nothing, and goes by
 * what the run wrote down about itself. When that is not there or does not lead to the end, `holdfast release` does it
 * by holdfast.yaml.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { codeOf, messageOf } from '#contracts/errors.ts';
import { connectToGateway } from '../adapters/etcd/gateway.ts';
import { removeAddresses } from '../adapters/kernel/network/addresses.ts';
import { DeviceWatchdog } from '../adapters/kernel/watchdog.ts';
import { refuseWhileSupervisorLives } from '../adapters/process/run-holder.ts';
import { FileRunState } from '../adapters/process/run-state.ts';
import { endWhatIsLeft } from './cleanup.ts';
import { logLine } from './log-line.ts';
import { killSurvivors } from './survivors.ts';

const [runFolder, configFile, ...rest] = process.argv.slice(2);
if (runFolder === undefined || configFile === undefined || rest.length > 0) {
  process.stderr.write('usage: release.js RUN_FOLDER CONFIG_FILE\n');
  process.exit(2);
}
try {
  refuseWhileSupervisorLives(runFolder);
} catch (error) {
  process.stderr.write(`release.js: ${codeOf(error)}: ${messageOf(error)}\n`);
  process.exit(1);
}
if (await releaseAtOnce(runFolder)) process.exit(0);
const bundle = fileURLToPath(new URL('./holdfast.js', import.meta.url));
const full = existsSync(bundle) ? bundle : fileURLToPath(new URL('../cli/main.ts', import.meta.url));
process.argv.splice(1, Infinity, full, 'release', '--config', configFile);
await import(pathToFileURL(full).href);

/** @returns whether everything is ended */
async function releaseAtOnce(folder: string): Promise<boolean> {
  const runState = new FileRunState(folder);
  const { settings } = runState.recall();
  if (settings === null) return false;
  try {
    await killSurvivors((fields, message) => logLine('info', { node: settings.node, ...fields }, message));
    await endWhatIsLeft({
      runState,
      vips: { absent: (addresses = []) => removeAddresses(addresses) },
      store: async () => {
        const gateway = connectToGateway(settings.etcd);
        return { revokeLease: (leaseId) => gateway.revoke(leaseId) };
      },
      watchdog: settings.watchdog === null ? null : new DeviceWatchdog(settings.watchdog, 0),
    });
    return true;
  } catch (error) {
    logLine('info', { node: settings.node, reason: String(error) }, 'released by holdfast.yaml instead');
    return false;
  }
}
