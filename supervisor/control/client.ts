import { request } from 'node:http';
import { HoldfastError, messageOf } from '#contracts/errors.ts';
import { controlSocket } from './server.ts';
import type { Status } from './status.ts';

const maxAnswerBytes = 16 * 1024 * 1024;

/** Asks the supervisor of this host. @throws HoldfastError CONTROL_UNREACHABLE */
export async function fetchStatus(runFolder: string): Promise<Status> {
  const socketPath = controlSocket(runFolder);
  try {
    return JSON.parse(await get(socketPath, '/v1/status'));
  } catch (cause) {
    throw new HoldfastError('CONTROL_UNREACHABLE', `no answer on ${socketPath}: ${messageOf(cause)}`, {
      cause,
    });
  }
}

function get(socketPath: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, path, timeout: 5000 }, async (response) => {
      try {
        const chunks: Buffer[] = [];
        let bytes = 0;
        for await (const chunk of response) {
          bytes += chunk.length;
          if (bytes > maxAnswerBytes) throw new Error('the answer is too long');
          chunks.push(chunk);
        }
        const text = Buffer.concat(chunks).toString('utf8');
        if (response.statusCode === 200) resolve(text);
        else reject(new Error(`${response.statusCode}: ${text}`));
      } catch (error) {
        reject(error);
      }
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer within 5 s')));
    outgoing.on('error', reject);
    outgoing.end();
  });
}
