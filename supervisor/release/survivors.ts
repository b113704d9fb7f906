import { emptyControlGroup } from '../adapters/systemd/control-group.ts';

/**
 * Ends what outlived the supervisor when systemd runs us for ExecStopPost, which SERVICE_RESULT tells. After the
 * watchdog (and only then) systemd does so when the supervisor alone is dead: an `ip` of its could put the address back
 * on.
 */
export async function killSurvivors(
  tell: (fields: { readonly pids: readonly number[] }, message: string) => void,
): Promise<void> {
  if (process.env.SERVICE_RESULT === undefined) return;
  const killed = await emptyControlGroup();
  const pids = killed.map(({ pid }) => pid);
  if (pids.length > 0) tell({ pids }, 'processes that outlived the supervisor are killed');
}
