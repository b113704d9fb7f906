import { callControl } from '../control/client.ts';
import type { Status } from '../control/status.ts';
import { whileWaiting } from './progress.ts';

/** One request to the supervisor of this host, for people who wait. @throws as `callControl` */
export function ask<Answer>(
  run: string,
  json: boolean | undefined,
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
): Promise<Answer> {
  return whileWaiting(
    'waiting for the supervisor of this host',
    json,
    callControl<Answer>(run, method, path, body),
  );
}

export function askStatus(run: string, json: boolean | undefined): Promise<Status> {
  return ask(run, json, 'GET', '/v1/status');
}
