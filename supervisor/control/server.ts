import { chmodSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import * as z from 'zod';
import { codeOf, type ErrorCode, HoldfastError, messageOf } from '#contracts/errors.ts';
import { type QuarantineAnswer, quarantineRequestSchema } from '#contracts/ipc/quarantine.ts';
import type { Logger } from '#contracts/log.ts';
import { operationRequestSchema } from '../core/operation/request.ts';
import type { Clock } from '../runtime/ports.ts';
import type { Supervisor } from '../runtime/supervisor.ts';
import type { Operator } from './operator.ts';
import {
  acceptEtcdRequestSchema,
  acceptRemovalRequestSchema,
  cancelRequestSchema,
  clearRequestSchema,
  mendRequestSchema,
  pauseRequestSchema,
  resumeRequestSchema,
} from './requests.ts';
import { statusOf } from './status.ts';

const maxRequestBytes = 16 * 1024;

/** The socket of the CLI: HTTP, for the owner and the group `holdfast`. */
export function controlSocket(runFolder: string): string {
  return join(runFolder, 'control.sock');
}

type Handler = (body: unknown) => unknown;

/** Requests are rows: method and path, and what is done. What changes something is refused with 409 and its reason. */
function routes(supervisor: Supervisor, operator: Operator, clock: Clock): Record<string, Handler> {
  return {
    'GET /v1/status': () => statusOf(supervisor, clock.bootTimeMs()),
    'GET /v1/history': () => operator.history(),
    'POST /v1/operations': (body) => {
      const request = operationRequestSchema.parse(body);
      return request.dryRun ? operator.plan(request) : operator.request(request);
    },
    'POST /v1/operations/cancel': (body) => operator.cancel(cancelRequestSchema.parse(body).by),
    'GET /v1/restored': () => operator.planRestored(),
    'POST /v1/restored/accept': async (body) => {
      const { by, members } = acceptEtcdRequestSchema.parse(body);
      await operator.acceptRestored(by, members);
      return {};
    },
    'GET /v1/etcd/mend': () => operator.planMend(),
    'POST /v1/etcd/mend': async (body) => {
      const { by, key, modRevision } = mendRequestSchema.parse(body);
      await operator.mend(by, key, modRevision);
      return {};
    },
    'POST /v1/clear': (body) => {
      supervisor.clear(clearRequestSchema.parse(body).by);
      return {};
    },
    'POST /v1/replication/accept-removal': (body) => {
      const { by, files } = acceptRemovalRequestSchema.parse(body);
      supervisor.acceptRemoval(by, files);
      return {};
    },
    'GET /v1/replication/at-risk': () => operator.atRisk(supervisor),
    'POST /v1/replication/quarantine': async (body) =>
      notRefused(await supervisor.replicator.askQuarantine(quarantineRequestSchema.parse(body))),
    'POST /v1/pause': async (body) => {
      const { by, reason } = pauseRequestSchema.parse(body);
      await operator.pause(by, reason);
      return {};
    },
    'POST /v1/resume': async (body) => {
      await operator.resume(resumeRequestSchema.parse(body).by);
      return {};
    },
  };
}

/** What the replicator refuses is a refusal of ours. */
function notRefused(answer: QuarantineAnswer): QuarantineAnswer {
  if (answer.kind === 'refused') throw new HoldfastError(answer.code as ErrorCode, answer.message);
  return answer;
}

/** Serves the control API on the unix socket. `curl --unix-socket` speaks it as well. */
export function serveControl(supervisor: Supervisor, operator: Operator, clock: Clock, log: Logger): Server {
  const socket = controlSocket(supervisor.config.paths.run);
  rmSync(socket, { force: true });
  const handlers = routes(supervisor, operator, clock);
  const server = createServer({ requestTimeout: 5000, maxHeaderSize: 8192 }, (request, response) => {
    void answer(handlers, request, response);
  });
  server.on('error', (error) => log.error({ reason: error.message, socket }, 'the control socket failed'));
  server.listen(socket, () => chmodSync(socket, 0o660));
  server.unref();
  return server;
}

async function answer(
  handlers: Record<string, Handler>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const handler = handlers[`${request.method} ${request.url}`];
    const body = await bodyOf(request);
    if (handler === undefined) {
      const message = `there is no ${request.method} ${request.url}`;
      return reply(response, 404, { code: 'NOT_FOUND', message });
    }
    reply(response, 200, await handler(body));
  } catch (error) {
    const invalid = error instanceof z.ZodError || error instanceof SyntaxError;
    const code = invalid ? 'REQUEST_INVALID' : codeOf(error);
    const message = error instanceof z.ZodError ? z.prettifyError(error) : messageOf(error);
    reply(response, invalid ? 400 : error instanceof HoldfastError ? 409 : 500, { code, message });
  }
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > maxRequestBytes) throw new HoldfastError('REQUEST_INVALID', 'the request is too long');
    chunks.push(chunk);
  }
  return bytes === 0 ? undefined : JSON.parse(Buffer.concat(chunks).toString('utf8'));
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
