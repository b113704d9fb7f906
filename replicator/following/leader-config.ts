import { join } from 'node:path';
import { hostKeyFolder } from '#contracts/config-root/names.ts';
import { codeOf, messageOf } from '#contracts/errors.ts';
import type { Logger } from '#contracts/log.ts';
import { appliedDigest, keptOf } from '../config/apply.ts';
import type { ConfigRoot } from '../config/config-root.ts';
import type { ConfigSnapshot } from '../config/snapshot.ts';
import type { Quarantine } from '../quarantine/quarantine.ts';

export interface LeaderConfigOptions {
  readonly config: ConfigRoot;
  readonly epoch: number;
  readonly leader: string;
  readonly quarantineRoot: string;
  readonly quarantine: Quarantine;
  readonly log: Logger;
  readonly onQuarantined: () => void;
  /** The leader's configuration of this digest is in force here. */
  readonly onApplied: (digest: string) => void;
}

/** The leader's configuration on a host that follows: applied when it comes, put back when somebody edits it here. */
export class LeaderConfig {
  readonly #options: LeaderConfigOptions;
  #leaders: ConfigSnapshot | null = null;
  #isApplying = false;
  #applied: string | null = null;

  constructor(options: LeaderConfigOptions) {
    this.#options = options;
  }

  /** The digest of the configuration as it is here after the leader's was applied; null before. */
  get applied(): string | null {
    return this.#applied;
  }

  /** @throws HoldfastError as ConfigRoot.adopt */
  receive(snapshot: ConfigSnapshot): void {
    this.#leaders = snapshot;
    this.#apply(snapshot);
  }

  /** Somebody edited a file on this host: what the leader sent last is put back. */
  onChangedHere(): void {
    if (this.#leaders === null || this.#isApplying) return;
    const { config, log } = this.#options;
    if (config.consistsOf(this.#leaders)) return;
    try {
      this.#apply(this.#leaders);
    } catch (error) {
      log.error(
        { code: codeOf(error), reason: messageOf(error) },
        'the leader’s configuration was not put back',
      );
    }
  }

  #apply({ digest, files }: ConfigSnapshot): void {
    const { epoch, leader, config, quarantineRoot, quarantine, log, onQuarantined } = this.#options;
    const keysFolder = `${epoch}-host-keys-${config.snapshot.digest.slice(0, 12)}`;
    const keepIn = join(quarantineRoot, keysFolder);
    this.#isApplying = true;
    try {
      for (const path of config.adopt({ digest, files }, leader, keepIn)) {
        quarantine.recordHostKeys(keysFolder, Buffer.from(hostKeyFolder));
        log.warn({ path, keptIn: keepIn }, 'a host key of this host was replaced by the leader’s');
        onQuarantined();
      }
    } finally {
      this.#isApplying = false;
    }
    const kept = keptOf(config.snapshot, { digest, files });
    if (kept.length > 0) {
      log.warn(
        { code: 'CONFIG_KEPT', paths: kept },
        'kept, although the leader lacks it: was it lost there?',
      );
    }
    this.#applied = appliedDigest(config.snapshot, { digest, files });
    this.#options.onApplied(this.#applied);
  }
}
