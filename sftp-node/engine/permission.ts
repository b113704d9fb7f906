import { deadline } from '#contracts/lateness.ts';
import { statusCode } from '../sftp/protocol.ts';
import { StatusError } from '../sftp/status-error.ts';
import type { Patience } from './ports.ts';
import type { Waiters } from './waiters.ts';

const defaultPatienceMs = 2000;

/**
 * Waits until `isSo`, which may throw to end the wait.
 * @throws StatusError with `reason` when it is not so in time; the reason of `signal`
 */
export async function waitForPermission(
  options: Patience & {
    readonly waiters: Waiters;
    readonly isSo: () => boolean;
    readonly reason: () => string;
  },
): Promise<void> {
  const { patienceMs = defaultPatienceMs, signal, waiters, isSo, reason } = options;
  let isPatient = patienceMs > 0;
  const look = () => waiters.changed();
  const cancel = deadline(patienceMs, () => {
    isPatient = false;
    look();
  });
  signal?.addEventListener('abort', look, { once: true });
  try {
    await waiters.until(() => {
      signal?.throwIfAborted();
      if (isSo()) return true;
      if (!isPatient) throw new StatusError(statusCode.failure, reason());
      return false;
    });
  } finally {
    cancel();
    signal?.removeEventListener('abort', look);
  }
}
