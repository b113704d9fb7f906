import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import type { Allowance } from '#contracts/engine/limits.ts';
import type { Grant, OpenFlags } from '#contracts/engine/message.ts';
import { ClientServer } from '../../../../replicator/clients/server.ts';
import { EngineClient } from '../../../../sftp-node/engine/engine-client.ts';
import type { EngineSession, Opened } from '../../../../sftp-node/engine/ports.ts';
import { FakeEngine } from '../../replicator/clients/fake-engine.ts';

export const small: Allowance = {
  sessions: 8,
  handles: 4,
  requests: 64,
  connectionRequests: 512,
  connectionCreditBytes: 1024 * 1024,
  sessionCreditBytes: 512 * 1024,
  sessionShareBytes: 32 * 1024,
};

export const createFlags: OpenFlags = {
  read: false,
  write: true,
  append: false,
  create: true,
  exclusive: false,
  truncate: true,
};

/** Client and server over a real socket, an engine that applies to a folder. */
export class EngineFixture {
  readonly base = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-engine-')));
  readonly path = join(this.base, 'engine.sock');
  readonly files = join(this.base, 'files');
  readonly lines: Record<string, unknown>[] = [];
  readonly log = pino({ level: 'debug' }, { write: (line) => this.lines.push(JSON.parse(line)) });
  readonly clients: EngineClient[] = [];
  engine: FakeEngine;
  server: ClientServer | null = null;
  readonly #allowance: Allowance;

  constructor(allowance: Allowance = small) {
    this.#allowance = allowance;
    mkdirSync(join(this.files, 'alice'), { recursive: true });
    this.engine = new FakeEngine(this.files);
  }

  /** @param blocks MiB that a connection is read into */
  async start({
    epoch = 7 as number | null,
    blocks = 4,
    helloPatienceMs = 5000,
    connections = 32,
  } = {}): Promise<this> {
    const parts = { path: this.path, engine: this.engine, log: this.log, allowance: this.#allowance };
    this.server = await ClientServer.listen({ ...parts, blocks, helloPatienceMs, connections });
    this.server.lead(epoch);
    return this;
  }

  /** As if the process died: its connections break without a word, its open handles are gone. */
  kill(): void {
    const dead = this.engine;
    dead.submit = () => {};
    this.server?.close();
    this.engine = new FakeEngine(this.files);
  }

  client({ epoch = 7, attendedMs }: { epoch?: number; attendedMs?: () => number } = {}): EngineClient {
    const client = new EngineClient({
      path: this.path,
      epoch,
      door: 'worker-1',
      log: this.log,
      ...(attendedMs === undefined ? {} : { attendedMs }),
    });
    this.clients.push(client);
    return client;
  }

  async session(client = this.client(), root = 'alice'): Promise<EngineSession> {
    return client.beginSession(grantOf(root));
  }

  at(path: string): string {
    return join(this.files, 'alice', path);
  }

  dispose(): void {
    for (const client of this.clients) client.close();
    this.server?.close();
    rmSync(this.base, { recursive: true, force: true });
  }
}

export function grantOf(root: string, makeRoot: number | null = null): Grant {
  return { root: Buffer.from(root), makeRoot, mayChange: true, account: '' };
}

export function openFile(
  session: EngineSession,
  path: string,
  flags: Partial<OpenFlags> = {},
): Promise<Opened> {
  const change = {
    kind: 'open',
    path: Buffer.from(path),
    flags: { ...createFlags, ...flags },
    mode: 0o644,
  } as const;
  return session.open(change);
}

/** Writes all of it as WRITEs of `writeBytes`, in pieces of `pieceBytes`, as credit allows. @returns each WRITE */
export async function upload(
  session: EngineSession,
  handle: number,
  data: Buffer,
  { writeBytes = 32 * 1024, pieceBytes = 32 * 1024 } = {},
): Promise<Promise<unknown>[]> {
  const writes: Promise<unknown>[] = [];
  for (let start = 0; start < data.length; start += writeBytes) {
    const end = Math.min(start + writeBytes, data.length);
    for (let at = start; at < end; at += pieceBytes) {
      while (!session.hasCredit) await session.credit();
      const piece = data.subarray(at, Math.min(at + pieceBytes, end));
      const made = session.write({ handle, offset: at, data: piece, last: at + piece.length === end });
      made?.catch(() => {});
      if (made !== null) writes.push(made);
    }
  }
  return writes;
}
