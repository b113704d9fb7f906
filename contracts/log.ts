import { createRequire } from 'node:module';
import { isatty } from 'node:tty';
import pino, { type Logger } from 'pino';

export type { Logger };

/**
 * The log of one process: JSON lines on stdout (the journal reads them), pretty on a terminal. Fields
 * named `password`, `passwordHash` or `privateKey` are redacted at the top of a line and one level below, no deeper.
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
  // In a thread `process.stdout` is a pipe to the main thread: the descriptor tells.
  if (isatty(1)) {
    // Loaded only here, and as a stream: pino would run it in a thread of its own, from a file that no bundle has.
    const pretty: typeof import('pino-pretty') = createRequire(import.meta.url)('pino-pretty');
    return pino({ ...options, formatters: {} }, pretty({ ignore: 'pid', sync: true }));
  }
  return loggerToReader(options);
}

/** What waits for a reader who does not keep up; further lines are dropped. */
const maxWaitingBytes = 1024 * 1024;
/** Written at once at most: a line as a rule, and never several so long that those of other processes get between. */
const maxWriteBytes = 2048;

/** Nobody waits for the log: a journal that stands still, or a disk that is full, must not take the service with it. */
function loggerToReader(options: pino.LoggerOptions): Logger {
  const stream = pino.destination({
    fd: 1,
    sync: false,
    maxLength: maxWaitingBytes,
    maxWrite: maxWriteBytes,
  });
  const logger = pino(options, stream);
  let lost = 0;
  stream.on('error', () => {});
  stream.on('drop', () => {
    lost += 1;
  });
  stream.on('drain', () => {
    if (lost === 0) return;
    const lines = lost;
    lost = 0;
    logger.warn({ lines }, 'lines of the log were lost: it was not read fast enough');
  });
  return logger;
}
