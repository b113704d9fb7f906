/** An engine that does nothing but write: what lies end to end in a turn with one pwritev. */
import { closeSync, openSync, writeSync, writevSync } from 'node:fs';
import { createServer, Socket } from 'node:net';
import { join } from 'node:path';
import pino from 'pino';
import type { ClientRequest, Engine, Turn } from '../../../replicator/clients/ports.ts';
import { ClientServer } from '../../../replicator/clients/server.ts';

const [kind = '', path = '', folder = ''] = process.argv.slice(2);

class WritingEngine implements Engine {
  readonly mayAcknowledge = true;
  readonly #files = new Map<number, number>();
  #run: { handle: number; start: number; end: number; requests: ClientRequest[]; data: Buffer[] } | null =
    null;

  submit({ requests }: Turn): void {
    for (const request of requests) this.#make(request);
    this.#flush();
  }

  #make(asked: ClientRequest): void {
    const { request, settle } = asked;
    if (request.kind === 'write') {
      const { handle, offset, data } = request;
      if (this.#run?.handle !== handle || this.#run.end !== offset) {
        this.#flush();
        this.#run = { handle, start: offset, end: offset, requests: [], data: [] };
      }
      this.#run.end += data.length;
      this.#run.requests.push(asked);
      this.#run.data.push(data);
      return;
    }
    this.#flush();
    if (request.kind === 'open') {
      const handle = this.#files.size + 1;
      this.#files.set(handle, openSync(join(folder, request.path.toString()), 'w'));
      const file = { created: true, device: 0n, inode: 0n, size: 0 };
      settle({ kind: 'opened', handle, path: request.path, ...file });
    } else if (request.kind === 'begin-session') settle({ kind: 'begun', made: 0 });
    else {
      if (request.kind === 'close') closeSync(this.#files.get(request.handle) ?? -1);
      settle({ kind: 'done', durable: false, paths: [] });
    }
  }

  #flush(): void {
    if (this.#run === null) return;
    const { handle, start, requests, data } = this.#run;
    this.#run = null;
    writevSync(this.#files.get(handle) ?? -1, data, start);
    for (const { settle } of requests) settle({ kind: 'written' });
  }
}

/** What a hop costs at least: bytes from a socket into a file, without a protocol. */
function serveBare(): void {
  createServer({ pauseOnConnect: true }, (accepted) => {
    const file = openSync(join(folder, 'bare'), 'w');
    const memory = Buffer.allocUnsafeSlow(1024 * 1024);
    const { _handle: handle } = accepted as unknown as { _handle: object };
    const onread = {
      buffer: memory,
      callback(length: number): boolean {
        writeSync(file, memory, 0, length);
        return true;
      },
    };
    const socket: Socket = new Socket({ handle, onread } as unknown as ConstructorParameters<
      typeof Socket
    >[0]);
    socket.on('end', () => {
      closeSync(file);
      socket.end();
    });
    socket.resume();
  }).listen(path, () => process.stdout.write('ready\n'));
}

if (kind === 'bare') serveBare();
else {
  const log = pino({ level: 'error' });
  const server = await ClientServer.listen({ path, engine: new WritingEngine(), log });
  server.lead(1);
  process.stdout.write('ready\n');
}
