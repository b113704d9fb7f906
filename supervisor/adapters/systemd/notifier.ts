import { messageOf } from '#contracts/errors.ts';
import type { Logger } from '#contracts/log.ts';
import type { Clock, Notifier } from '../../runtime/ports.ts';
import { runAside } from '../process/command-thread.ts';

/** Without a service manager there is nobody to tell. */
const silentNotifier: Notifier = { ready() {}, alive() {}, status() {}, stopping() {} };

/** systemd's protocol sd_notify(3) when it started us with Type=notify, nothing otherwise. */
export function createNotifier(clock: Clock, log: Logger): Notifier {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: watchdogMicros } = process.env;
  if (socket === undefined) return silentNotifier;
  return new SystemdNotifier(socket, Number(watchdogMicros ?? 0) / 1000, clock, log);
}

/**
 * Node cannot send datagrams to a unix socket, so systemd's own command does it (8 ms each, beside the loop). The
 * watchdog is fed three times in its period, and only from the loop: when the loop stands still, systemd kills the
 * supervisor.
 */
class SystemdNotifier implements Notifier {
  readonly #socket: string;
  readonly #feedEveryMs: number;
  readonly #clock: Clock;
  readonly #log: Logger;
  #fedAtMs = 0;

  constructor(socket: string, watchdogMs: number, clock: Clock, log: Logger) {
    this.#socket = socket;
    this.#feedEveryMs = watchdogMs > 0 ? watchdogMs / 3 : Number.POSITIVE_INFINITY;
    this.#clock = clock;
    this.#log = log;
  }

  ready(): void {
    this.#tell('READY=1');
  }

  alive(): void {
    const now = this.#clock.bootTimeMs();
    if (now - this.#fedAtMs < this.#feedEveryMs) return;
    this.#fedAtMs = now;
    this.#tell('WATCHDOG=1');
  }

  status(text: string): void {
    this.#tell(`STATUS=${text}`);
  }

  stopping(): void {
    this.#tell('STOPPING=1');
  }

  #tell(message: string): void {
    runAside('systemd-notify', [message], { timeoutMs: 2000, env: { NOTIFY_SOCKET: this.#socket } }).then(
      ({ exitCode, stderr }) => {
        if (exitCode !== 0) this.#log.warn({ message, reason: stderr.trim() }, 'systemd could not be told');
      },
      (error) => this.#log.warn({ message, reason: messageOf(error) }, 'systemd could not be told'),
    );
  }
}
