import { realpathSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Epoch } from '#contracts/identities.ts';
import type { FromSftpNode, SftpNodeSettings } from '#contracts/ipc/sftp-node.ts';
import type { OpenHandle } from '#contracts/journal/message.ts';
import type { Logger } from '#contracts/log.ts';
import type { GatePermit } from '#contracts/write-gate.ts';
import { Admission } from './admission.ts';
import { FailureCounter } from './auth/failures.ts';
import { PasswordChecker } from './auth/passwords.ts';
import { Users } from './auth/users.ts';
import { readHostKeys } from './host-keys.ts';
import { SocketJournal } from './journal/socket-journal.ts';
import { Mutations } from './mutations.ts';
import { type Handles, openHandleOf } from './sftp/handles.ts';
import { SftpServer } from './transport/server.ts';
import { WriteGate } from './write-gate.ts';

const activityEveryMs = 1000;
const drainPollMs = 20;

/** The SFTP service of one leadership, from its start to its end. */
export class SftpNode {
  readonly #epoch: Epoch;
  readonly #settings: SftpNodeSettings;
  readonly #tell: (message: FromSftpNode) => void;
  readonly #gate: WriteGate;
  readonly #mutations: Mutations;
  readonly #users: Users;
  readonly #server: SftpServer;
  readonly #filesRoot: string;
  readonly #handles = new Set<Handles>();
  readonly #admission = new Admission();
  /** The drain under way; aborted when it is called off. */
  #drain: AbortController | null = null;

  /** @throws HoldfastError of host keys, users */
  constructor(epoch: Epoch, settings: SftpNodeSettings, log: Logger, tell: (message: FromSftpNode) => void) {
    this.#epoch = epoch;
    this.#settings = settings;
    this.#tell = tell;
    this.#filesRoot = realpathSync(settings.filesRoot);
    this.#gate = new WriteGate({
      epoch,
      onOpen: () => {
        if (this.#drain === null) this.#admission.open();
        this.#mutations.wake();
      },
      onExpired: () => {
        log.error({ code: 'LEASE_LOST', epoch }, 'the write gate shut by itself: clients are let go');
        this.#admission.close();
        this.#mutations.wake();
        this.#server.hangUpClients();
      },
    });
    this.#mutations = new Mutations({
      gate: this.#gate,
      handles: () => this.#openHandles(),
      waitsForPeers: settings.mode === 'sync',
    });
    const hostKeys = readHostKeys(settings.configRoot);
    this.#users = new Users(settings.configRoot, log, () => this.#endRemovedUsers());
    this.#mutations.writeTo(
      new SocketJournal({ path: settings.journalSocket, epoch, owner: this.#mutations, log }),
    );
    this.#server = new SftpServer(hostKeys, {
      users: this.#users,
      passwords: new PasswordChecker(),
      failures: new FailureCounter(),
      mutations: this.#mutations,
      admission: this.#admission,
      filesRoot: this.#filesRoot,
      log,
      onHandles: (handles, open) => {
        if (open) this.#handles.add(handles);
        else this.#handles.delete(handles);
      },
    });
  }

  /** @throws HoldfastError PORT_IN_USE, PORT_FORBIDDEN, SFTP_NODE_FAILED */
  async listen(): Promise<void> {
    const port = await this.#server.listen(this.#settings.listenAddress, this.#settings.port);
    this.#tell({ type: 'listening', epoch: this.#epoch, port });
    setInterval(() => this.#tell({ type: 'activity', ...this.#activity }), activityEveryMs).unref();
  }

  permit(permit: GatePermit): void {
    this.#gate.permit(permit);
  }

  shutGate(): void {
    this.#shut();
    this.#tell({ type: 'gate-shut', epoch: this.#epoch });
  }

  /** No newcomers; transfers may end within the limit; then the gate is shut. */
  async drain(limitMs: number): Promise<void> {
    this.#drain?.abort();
    const drain = new AbortController();
    this.#drain = drain;
    this.#admission.close();
    const startedMs = performance.now();
    while (this.#activity.transfers > 0 && performance.now() - startedMs < limitMs) {
      await delay(drainPollMs);
      if (drain.signal.aborted) return;
    }
    const cutTransfers = this.#activity.transfers;
    this.#shut();
    this.#tell({ type: 'drained', epoch: this.#epoch, sequence: this.#mutations.lastSequence, cutTransfers });
  }

  resume(): void {
    this.#drain?.abort();
    this.#drain = null;
    this.#admission.open();
  }

  #shut(): void {
    this.#admission.close();
    this.#gate.shut();
    this.#mutations.wake();
  }

  /** Tells the clients good-bye while the address they talk to is still here. */
  async stop(): Promise<void> {
    this.#shut();
    this.#server.endClients();
    for (let waited = 0; this.#server.clients.length > 0 && waited < 200; waited += 10) await delay(10);
    this.#server.hangUpClients();
  }

  get #activity() {
    const sessions = this.#server.clients.filter((client) => client.user !== null).length;
    const transfers = [...this.#handles].reduce((sum, handles) => sum + handles.files.length, 0);
    return { sessions, transfers };
  }

  #openHandles(): OpenHandle[] {
    return [...this.#handles]
      .flatMap((handles) => handles.files)
      .flatMap((file) => {
        const { journalHandle } = file;
        return journalHandle === null ? [] : [openHandleOf({ ...file, journalHandle }, this.#filesRoot)];
      });
  }

  #endRemovedUsers(): void {
    for (const client of this.#server.clients) {
      if (client.user !== null && this.#users.find(client.user) === undefined) client.hangUp();
    }
  }
}
