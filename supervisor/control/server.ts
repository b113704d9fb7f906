import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { Logger } from '#contracts/log.ts';
import type { Clock } from '../ports.ts';
import type { Supervisor } from '../supervisor.ts';
import { statusOf } from './status.ts';

/** The socket of the CLI: HTTP, for the owner and the group `holdfast`. */
export function controlSocket(runFolder: string): string {
  return join(runFolder, 'control.sock');
}

/** Serves the control API on the unix socket. `curl --unix-socket` speaks it as well. */
export function serveControl(supervisor: Supervisor, clock: Clock, log: Logger): Server {
  const socket = controlSocket(supervisor.config.paths.run);
  rmSync(socket, { force: true });
  const server = createServer({ requestTimeout: 5000, maxHeaderSize: 8192 }, (request, response) => {
    request.resume();
    if (request.method === 'GET' && request.url === '/v1/status') {
      return reply(response, 200, statusOf(supervisor, clock.bootTimeMs()));
    }
    reply(response, 404, { code: 'NOT_FOUND', message: `there is no ${request.method} ${request.url}` });
  });
  server.on('error', (error) => log.error({ reason: error.message, socket }, 'the control socket failed'));
  server.listen(socket, () => chmodSync(socket, 0o660));
  server.unref();
  return server;
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
