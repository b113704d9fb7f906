import { realpathSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Epoch } from '#contracts/identities.ts';
import type { FromSftpNode, SftpNodeSettings } from '#contracts/ipc/sftp-node.ts';
import type { Logger } from '#contracts/log.ts';
import type { GatePermit } from '#contracts/write-gate.ts';
import { Admission } from './admission.ts';
import { FailureCounter } from './auth/failures.ts';
import { PasswordChecker } from './auth/passwords.ts';
import { Users } from './auth/users.ts';
import { EngineClient } from './engine/engine-client.ts';
import { readHostKeys } from './host-keys.ts';
import { Jail } from './paths/jail.ts';
import type { Handles } from './sftp/handles.ts';
import { requirePatchedSsh2 } from './ssh-library.ts';
import { Port } from './transport/port.ts';
import { SftpServer } from './transport/server.ts';
import { Startups } from './transport/startups.ts';
import { WriteGate } from './write-gate.ts';

const activityEveryMs = 1000;
const drainPollMs = 20;
/** For the answers to what was done; a standby that takes longer is no reason to stay. */
const answerLimitMs = 300;
/** A client that takes nothing in is not waited for. */
const goodByeLimitMs = 100;

/** The SFTP service of one leadership, from its start to its end. */
export class SftpNode {
  readonly #epoch: Epoch;
  readonly #settings: SftpNodeSettings;
  readonly #log: Logger;
  readonly #tell: (message: FromSftpNode) => void;
  readonly #gate: WriteGate;
  readonly #engine: EngineClient;
  readonly #users: Users;
  readonly #server: SftpServer;
  readonly #filesRoot: string;
  #port: Port | null;
  readonly #handles = new Set<Handles>();
  readonly #admission = new Admission();
  /** The drain under way; aborted when it is called off. */
  #drain: AbortController | null = null;
  /** Told to shut the gate: a permit that was on its way opens nothing, only `resume` does. */
  #isShut = false;

  /**
   * @param prefetched what a spare has ready: its users, and its port
   * @throws HoldfastError of host keys; SSH2_UNPATCHED
   */
  constructor(
    epoch: Epoch,
    settings: SftpNodeSettings,
    log: Logger,
    tell: (message: FromSftpNode) => void,
    prefetched: { readonly users: Users | null; readonly port: Port | null },
  ) {
    requirePatchedSsh2();
    this.#epoch = epoch;
    this.#settings = settings;
    this.#log = log;
    this.#tell = tell;
    this.#filesRoot = realpathSync(settings.filesRoot);
    this.#gate = new WriteGate({
      epoch,
      onOpen: () => {
        if (this.#drain === null) this.#admission.open();
        this.#server.resumeClients();
        this.#engine.waiters.changed();
      },
      // Another host may lead by now: nothing is taken from clients, nor answered, before that is known.
      onDoubt: () => this.#server.pauseClients(),
      onExpired: () => {
        log.error({ code: 'LEASE_LOST', epoch }, 'the write gate shut by itself: clients are let go');
        this.#admission.close();
        this.#engine.waiters.changed();
        this.#server.hangUpClients();
      },
    });
    this.#engine = new EngineClient({
      path: settings.engineSocket,
      epoch,
      door: `sftp-node ${process.pid}`,
      log,
      ownRefusal: () => (this.#gate.isOpen ? '' : 'This host does not lead (any more): connect again'),
    });
    const hostKeys = readHostKeys(settings.configRoot, log);
    this.#port = prefetched.port;
    this.#users = prefetched.users ?? new Users(settings.configRoot, log);
    this.#users.onChange = () => this.#endRemovedUsers();
    this.#server = new SftpServer(hostKeys, settings, {
      users: this.#users,
      passwords: new PasswordChecker(),
      failures: new FailureCounter(),
      engine: this.#engine,
      gate: this.#gate,
      admission: this.#admission,
      filesRoot: this.#filesRoot,
      tree: new Jail(this.#filesRoot, '.'),
      log,
      onHandles: (handles, open) => {
        if (open) this.#handles.add(handles);
        else this.#handles.delete(handles);
      },
    });
  }

  /** @throws HoldfastError PORT_IN_USE, PORT_FORBIDDEN, SFTP_NODE_FAILED */
  async listen(): Promise<void> {
    const { listenAddress, port, startups } = this.#settings;
    this.#port ??= await Port.open(listenAddress, port, new Startups(startups, this.#log));
    this.#server.serve(this.#port);
    this.#tellListening();
    setInterval(() => this.#tell({ type: 'activity', ...this.#activity }), activityEveryMs).unref();
  }

  /** Whether clients can reach it, as far as this process can tell. */
  get portState(): { readonly listening: boolean; readonly accepting: boolean } {
    return { listening: this.#port?.isListening ?? false, accepting: this.#port?.isAccepting ?? false };
  }

  permit(permit: GatePermit): void {
    if (!this.#isShut) this.#gate.permit(permit);
  }

  shutGate(): void {
    this.#shut();
    this.#tell({ type: 'gate-shut', epoch: this.#epoch });
  }

  /**
   * Transfers that run now may end within the limit, and everybody is served meanwhile: nobody waits for a long upload
   * of somebody else. Then newcomers are kept out while what began since ends, which as a rule is short; then the gate
   * is shut.
   */
  async drain(limitMs: number): Promise<void> {
    this.#drain?.abort();
    this.#drain = new AbortController();
    const { signal } = this.#drain;
    const endsMs = performance.now() + limitMs;
    const running = this.#openFiles;
    const someRun = () => {
      const open = new Set(this.#openFiles);
      return running.some((file) => open.has(file));
    };
    await waitWhile(someRun, endsMs, signal);
    if (signal.aborted) return;
    this.#admission.close();
    await waitWhile(() => this.#openFiles.length > 0, endsMs, signal);
    if (signal.aborted) return;
    // A file whose CLOSE is on its way to the standbys is whole: its client shall know.
    await waitWhile(() => this.#engine.unanswered > 0, performance.now() + answerLimitMs, signal, 2);
    if (signal.aborted) return;
    const cutTransfers = this.#openFiles.length;
    this.#shut();
    this.#tell({ type: 'drained', epoch: this.#epoch, cutTransfers });
  }

  resume(): void {
    this.#drain?.abort();
    this.#drain = null;
    this.#isShut = false;
    this.#admission.open();
    this.#tellListening();
  }

  #tellListening(): void {
    this.#tell({ type: 'listening', epoch: this.#epoch, port: this.#port?.number ?? 0 });
  }

  #shut(): void {
    this.#isShut = true;
    this.#admission.close();
    this.#gate.shut();
    this.#engine.waiters.changed();
  }

  /** Tells the clients good-bye while the address they talk to is still here. */
  async stop(): Promise<void> {
    this.#shut();
    this.#server.endClients();
    const unsaid = () => this.#server.clients.some((client) => !client.isFlushed);
    for (let waited = 0; unsaid() && waited < goodByeLimitMs; waited += 2) await delay(2);
    this.#server.hangUpClients();
  }

  get #activity() {
    const sessions = this.#server.clients.filter((client) => client.user !== null).length;
    return { sessions, transfers: this.#openFiles.length, dropped: this.#port?.dropped ?? 0 };
  }

  get #openFiles() {
    return [...this.#handles].flatMap((handles) => handles.files);
  }

  #endRemovedUsers(): void {
    for (const client of this.#server.clients) {
      if (client.user !== null && this.#users.find(client.user) === undefined) client.hangUp();
    }
  }
}

async function waitWhile(
  condition: () => boolean,
  untilMs: number,
  signal: AbortSignal,
  everyMs = drainPollMs,
): Promise<void> {
  while (condition() && performance.now() < untilMs && !signal.aborted) await delay(everyMs);
}
