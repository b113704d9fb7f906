import { request } from 'node:http';
import * as z from 'zod';
import { type ErrorCode, errorTable, HoldfastError, messageOf } from '#contracts/errors.ts';
import { controlSocket } from './server.ts';
import type { Status } from './status.ts';

const maxAnswerBytes = 16 * 1024 * 1024;
const refusedStatus = 409;
const refusalSchema = z.object({ code: z.string(), message: z.string() });

/** The supervisor answered no: what was asked for makes no sense now, and nothing was changed. */
export class RefusedError extends HoldfastError {}

/** Asks the supervisor of this host. @throws HoldfastError CONTROL_UNREACHABLE */
export function fetchStatus(runFolder: string): Promise<Status> {
  return callControl(runFolder, 'GET', '/v1/status');
}

/**
 * One request to the supervisor of this host; its answer is taken at its word, since both are of one release.
 * @throws HoldfastError CONTROL_UNREACHABLE; RefusedError, with the code of the refusal
 */
export async function callControl<Answer>(
  runFolder: string,
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
): Promise<Answer> {
  const socketPath = controlSocket(runFolder);
  const { status, text } = await exchange(socketPath, method, path, body).catch((cause) => {
    throw new HoldfastError('CONTROL_UNREACHABLE', `no answer on ${socketPath}: ${messageOf(cause)}`, {
      cause,
    });
  });
  if (status === 200) return JSON.parse(text);
  const { code, message } = refusalSchema.parse(JSON.parse(text));
  const known = code in errorTable ? (code as ErrorCode) : 'INTERNAL';
  throw status === refusedStatus ? new RefusedError(known, message) : new HoldfastError(known, message);
}

function exchange(
  socketPath: string,
  method: string,
  path: string,
  body: unknown,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, path, method, timeout: 5000 }, async (response) => {
      try {
        const chunks: Buffer[] = [];
        let bytes = 0;
        for await (const chunk of response) {
          bytes += chunk.length;
          if (bytes > maxAnswerBytes) throw new Error('the answer is too long');
          chunks.push(chunk);
        }
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') });
      } catch (error) {
        reject(error);
      }
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer within 5 s')));
    outgoing.on('error', reject);
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
