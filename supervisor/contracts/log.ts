import { createRequire } from 'node:module';
import pino, { type Logger } from 'pino';

export type { Logger };

/**
 * The log of one process: JSON lines on stdout (the journal reads them), pretty on a terminal. Secrets never reach
 * it: known secret fields are redacted whatever object they are in.
 *
 * @param process `supervisor`, `sftp-node`, `replicator` or `holdfast`
 */
export function createLogger(
  process_: string,
  level: string,
  bindings: Record<string, unknown> = {},
): Logger {
  const options = {
    level,
    base: { process: process_, pid: process.pid, ...bindings },
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: {
      paths: ['*.password', '*.passwordHash', '*.privateKey', 'password', 'passwordHash', 'privateKey'],
    },
    formatters: { level: (label: string) => ({ level: label }) },
  };
  if (process.stdout.isTTY) {
    // Loaded only here, and as a stream: pino would run it in a thread of its own, from a file that no bundle has.
    const pretty: typeof import('pino-pretty') = createRequire(import.meta.url)('pino-pretty');
    return pino({ ...options, formatters: {} }, pretty({ ignore: 'pid', sync: true }));
  }
  return pino(options, pino.destination({ fd: 1, sync: true }));
}
