import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { LabClient } from './client.ts';
import type { LabHost } from './host.ts';
import { waitFor } from './wait.ts';

/** A file whose upload OpenSSH's client has told us was a success. */
export interface Acknowledged {
  readonly name: string;
  /** SHA-256 of what was uploaded. */
  readonly digest: string;
}

const longestFileBytes = 400_000;
/**
 * Partners that upload one file after the other, each with a login of its own, and try again when the connection is
 * lost. Only what was acknowledged is promised to be there.
 */
export class UploadLoad {
  readonly #client: LabClient;
  readonly #address: string;
  /** Files of one load are told from those of another. */
  readonly #name = `load-${process.hrtime.bigint()}`;
  readonly #ending = new AbortController();
  readonly #uploaders: Promise<void>[] = [];
  readonly acknowledged: Acknowledged[] = [];
  /** What sftp said of uploads that failed. */
  readonly failures: string[] = [];

  constructor(client: LabClient, address: string) {
    this.#client = client;
    this.#address = address;
  }

  start(uploaders = 2): void {
    for (let number = 1; number <= uploaders; number++) this.#uploaders.push(this.#upload(number));
  }

  /** Waits until so many more files are acknowledged than now. */
  async more(count: number): Promise<void> {
    const goal = this.acknowledged.length + count;
    await waitFor(`${count} more acknowledged uploads`, () => this.acknowledged.length >= goal, {
      limitMs: 30_000,
      evidence: () => `the last failures:\n${this.failures.slice(-5).join('\n')}`,
    });
  }

  /** No further file is begun; those under way are waited for. */
  async stop(): Promise<void> {
    this.#ending.abort();
    await Promise.all(this.#uploaders);
  }

  /** The names of acknowledged files that the host lacks, or has with other content. */
  missingOn(host: LabHost): string[] {
    const path = (name: string) => join(host.filesRoot, 'alice', name);
    return this.acknowledged
      .filter(({ name, digest }) => !existsSync(path(name)) || digestOf(readFileSync(path(name))) !== digest)
      .map(({ name }) => name);
  }

  async #upload(uploader: number): Promise<void> {
    const { signal } = this.#ending;
    for (let number = 1; !signal.aborted; number++) {
      const name = `${this.#name}-${uploader}-${number}.bin`;
      const bytes = randomBytes(1 + Math.floor(Math.random() * longestFileBytes));
      const local = join(this.#client.folder, name);
      writeFileSync(local, bytes);
      await this.#uploadUntilAcknowledged(name, digestOf(bytes));
      rmSync(local);
    }
  }

  async #uploadUntilAcknowledged(name: string, digest: string): Promise<void> {
    while (!this.#ending.signal.aborted) {
      const { exitCode, all } = await this.#client.upload(this.#address, name);
      if (exitCode === 0) {
        this.acknowledged.push({ name, digest });
        return;
      }
      this.failures.push(`${name}: ${all}`);
      await delay(100);
    }
  }
}

function digestOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
