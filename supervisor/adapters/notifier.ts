import type { Logger } from '#contracts/log.ts';
import type { Notifier } from '../ports.ts';

/** Without a service manager there is nobody to tell. */
const silentNotifier: Notifier = { ready() {}, alive() {}, status() {}, stopping() {} };

export function createNotifier(_log: Logger): Notifier {
  return silentNotifier;
}
