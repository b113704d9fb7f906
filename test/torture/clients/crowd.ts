import { readFileSync } from 'node:fs';
import type { Lab } from '../../lab/lab.ts';
import { Thaw } from '../faults/thaw.ts';
import type { Notes } from '../notes.ts';
import { Dialer } from '../sftp/dialer.ts';
import { Client } from './client.ts';
import { SharedFolder } from './shared.ts';
import type { Workspace } from './workspace.ts';

/** Within which each client must have closed, settled and looked at everything, once nothing befalls anybody any more. */
const settleMs = 60_000;

/** All clients of a run. */
export class Crowd implements Disposable {
  readonly shared: SharedFolder;
  readonly thaw = new Thaw();
  readonly #notes: Notes;
  readonly #dialer: Dialer;
  readonly #clients: Client[];
  #ending = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  constructor(lab: Lab, notes: Notes, { seed, clients }: { seed: number; clients: number }) {
    this.#notes = notes;
    this.shared = new SharedFolder(notes.history);
    const dialer = new Dialer(lab.client.network.namespace, lab.vipV4, lab.sftpPort);
    this.#dialer = dialer;
    const privateKey = readFileSync(lab.client.keyFile);
    const { shared, thaw } = this;
    this.#clients = Array.from({ length: clients }, (_, index) => {
      const number = index + 1;
      return new Client({ number, seed, dialer, user: 'alice', privateKey, notes, shared, thaw });
    });
  }

  /** Also after `finish`. */
  begin(): void {
    this.#ending = new AbortController();
    this.#running = Promise.all(this.#clients.map((client) => client.run(this.#ending.signal)));
    // Whoever waits for the end is told.
    this.#running.catch(() => {});
  }

  /** @returns the folders of which everything is known for sure */
  async finish(): Promise<Workspace[]> {
    this.#ending.abort();
    await this.#running;
    const workspaces = await Promise.all(
      this.#clients.map((client) =>
        client.finish(settleMs).catch((error: Error) => {
          this.#notes.violations.add('service', error.message);
          return null;
        }),
      ),
    );
    return workspaces.filter((workspace) => workspace !== null);
  }

  /** How many folders clients left with what may be in them unknown. */
  get abandoned(): number {
    return this.#clients.reduce((sum, { abandoned }) => sum + abandoned.length, 0);
  }

  [Symbol.dispose](): void {
    this.#ending.abort();
    this.#dialer[Symbol.dispose]();
  }
}
