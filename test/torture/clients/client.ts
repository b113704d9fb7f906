import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Random } from '../../sim/timeline.ts';
import type { Thaw } from '../faults/thaw.ts';
import type { Notes } from '../notes.ts';
import { Connection, ConnectionLost, Refused } from '../sftp/connection.ts';
import { Payloads } from './payload.ts';
import { settle } from './settle.ts';
import type { SharedFolder } from './shared.ts';
import { type Desk, drawStep } from './steps.ts';
import { type OpenFile, Spoilt, Workspace } from './workspace.ts';

export interface ClientOptions {
  readonly number: number;
  readonly seed: number;
  readonly dialer: { dial(): Promise<Socket> };
  readonly user: string;
  readonly privateKey: Buffer;
  readonly notes: Notes;
  readonly shared: SharedFolder;
  readonly thaw: Thaw;
}

/**
 * After a connection that was given up, and once nothing stands still: longer than a server of ours lets a request wait.
 * What was asked for on it cannot happen any more then.
 */
const lateRequestsMs = 3000;
const sharedShare = 0.12;

/** One partner: connects, does one thing after the other in a folder of its own, and comes back when it is cut off. */
export class Client {
  readonly name: string;
  readonly #options: ClientOptions;
  readonly #random: Random;
  readonly #payloads: Payloads;
  readonly #open: OpenFile[] = [];
  #workspace: Workspace | null = null;
  #folders = 0;
  #mayHaveLateRequests = false;
  /** Folders that were left as they were, with what may be in them unknown. */
  readonly abandoned: string[] = [];

  constructor(options: ClientOptions) {
    this.#options = options;
    this.name = `client-${options.number}`;
    this.#random = new Random(options.seed * 1000 + options.number);
    this.#payloads = new Payloads(this.#random, options.number);
  }

  /** Until the signal; then everything is closed, settled and known for sure. */
  async run(stop: AbortSignal): Promise<void> {
    while (!stop.aborted) await this.#session((connection) => this.#work(connection, stop));
  }

  /** Until it succeeded once. @throws when it does not within the limit */
  async finish(limitMs: number): Promise<Workspace | null> {
    const endsAt = performance.now() + limitMs;
    while (!(await this.#session(async () => {}))) {
      if (performance.now() > endsAt) throw new Error(`${this.name} could not settle within ${limitMs} ms`);
    }
    return this.#workspace;
  }

  /** @returns whether it came to its end: everything is closed and settled */
  async #session(work: (connection: Connection) => Promise<void>): Promise<boolean> {
    const { dialer, user, privateKey, thaw } = this.#options;
    let connection: Connection | null = null;
    try {
      connection = await Connection.login(await dialer.dial(), user, privateKey);
      if (this.#mayHaveLateRequests) {
        await thaw.over();
        await delay(lateRequestsMs);
        this.#mayHaveLateRequests = false;
      }
      await this.#settle(connection);
      await work(connection);
      for (const file of this.#open.splice(0)) await this.#desk(connection).workspace.close(connection, file);
      await this.#settle(connection);
      return true;
    } catch (error) {
      if (error instanceof Spoilt) this.#abandon();
      else if (error instanceof ConnectionLost && connection !== null)
        this.#mayHaveLateRequests ||= error.byPatience;
      else if (connection !== null && !(error instanceof Refused)) throw error;
      await delay(100 + this.#random.next() * 200);
      return false;
    } finally {
      this.#open.length = 0;
      connection?.end();
    }
  }

  async #settle(connection: Connection): Promise<void> {
    const workspace = this.#workspace ?? (await this.#begin(connection));
    if (workspace.names.isCrowded) throw new Spoilt('too much is in doubt');
    await settle(workspace, connection, this.#options.notes, this.#random);
  }

  /** In a folder of its own, which is new, whatever became of the last one. */
  async #begin(connection: Connection): Promise<Workspace> {
    this.#folders += 1;
    const root = `${this.name}.${this.#folders}`;
    await connection.mkdir(root, 0o755);
    this.#workspace = new Workspace(root, this.name, this.#options.notes);
    return this.#workspace;
  }

  #abandon(): void {
    if (this.#workspace !== null) this.abandoned.push(this.#workspace.root);
    this.#workspace = null;
  }

  #desk(connection: Connection): Desk {
    if (this.#workspace === null) throw new Error('no folder');
    return {
      connection,
      workspace: this.#workspace,
      random: this.#random,
      payloads: this.#payloads,
      open: this.#open,
    };
  }

  async #work(connection: Connection, stop: AbortSignal): Promise<void> {
    const desk = this.#desk(connection);
    const stepsLeft = 20 + this.#random.next() * 400;
    for (let step = 0; step < stepsLeft && !stop.aborted; step++) {
      if (this.#random.chance(sharedShare))
        await this.#options.shared.step(connection, this.name, this.#random);
      else await drawStep(this.#random)(desk);
      // What was refused may be there in part: look, before more is built on it.
      if (this.#open.length === 0 && desk.workspace.isInDoubt) await this.#settle(connection);
    }
  }
}
