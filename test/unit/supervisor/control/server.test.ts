import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import type { Server } from 'node:http';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import pino from 'pino';
import { HoldfastError } from '#contracts/errors.ts';
import type { Operator } from '../../../../supervisor/control/operator.ts';
import { controlSocket, serveControl } from '../../../../supervisor/control/server.ts';
import type { Supervisor } from '../../../../supervisor/runtime/supervisor.ts';
import { until } from '../../until.ts';
import { noting } from '../runtime/parts.ts';

describe('the control socket', () => {
  let run: string;
  let server: Server;
  let asked: unknown[][];
  /** What the replicator says about its quarantine. */
  let answered: object = {};
  beforeEach(async () => {
    run = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
    asked = [];
    const operator = noting<Operator>(asked, {
      plan: async () => ({ from: 'a' }),
      request: async () => ({ id: '0123abcd' }),
      cancel: async () => {
        throw new HoldfastError('NO_OPERATION', 'nothing is under way');
      },
      pause: async () => {
        throw new Error('a defect');
      },
    });
    const replicator = noting<Supervisor['replicator']>(asked, { askQuarantine: async () => answered });
    const supervisor = { config: { paths: { run } }, replicator } as unknown as Supervisor;
    const clock = { bootTimeMs: () => 0, wallTimeIso: () => '' };
    server = serveControl(supervisor, operator, clock, pino({ level: 'silent' }));
    await until(() => server.listening);
  });
  afterEach(() => {
    server.close();
    rmSync(run, { recursive: true });
  });

  function post(path: string, body: object): Promise<number | undefined> {
    return new Promise((resolve, reject) => {
      const sent = request({ socketPath: controlSocket(run), path, method: 'POST' }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      sent.on('error', reject);
      sent.end(JSON.stringify(body));
    });
  }

  it('is for its owner and group', async () => {
    const mode = () => statSync(controlSocket(run)).mode & 0o777;
    const asMade = 0o777 & ~process.umask();
    await until(() => mode() !== asMade);
    assert.equal(mode(), 0o660);
  });

  it('tells a refusal from a request that is wrong, and from a defect', async () => {
    assert.equal(await post('/v1/operations/cancel', { by: 'root' }), 409);
    assert.equal(await post('/v1/operations/cancel', {}), 400);
    assert.equal(await post('/v1/pause', { by: 'root', reason: '' }), 500);
    assert.equal(await post('/v1/none', {}), 404);
  });

  it('hands on what is asked about the quarantine, and what the replicator refuses', async () => {
    const path = '/v1/replication/quarantine';
    answered = { kind: 'refused', code: 'QUARANTINE_UNKNOWN', message: 'nothing has it' };
    assert.equal(await post(path, { kind: 'show', id: '0bad' }), 409);
    answered = { kind: 'list', entries: [], next: null };
    assert.equal(await post(path, { kind: 'list', before: null, limit: 200 }), 200);
    for (const wrong of [{ limit: 201 }, { limit: 0 }, { before: 'x'.repeat(601) }, { more: 1 }]) {
      assert.equal(await post(path, { kind: 'list', before: null, limit: 1, ...wrong }), 400);
    }
    assert.equal(await post(path, { kind: 'show', id: '../x' }), 400);
    assert.deepEqual(
      asked.map(([method]) => method),
      ['askQuarantine', 'askQuarantine'],
    );
  });

  it('only tells what would be done when no more is asked', async () => {
    const operation = { kind: 'switchover', to: 'c', at: null, drainMs: 0, force: false, by: 'root' };
    assert.equal(await post('/v1/operations', { ...operation, dryRun: true }), 200);
    assert.equal(await post('/v1/operations', { ...operation, dryRun: false }), 200);
    assert.deepEqual(
      asked.map(([method]) => method),
      ['plan', 'request'],
    );
  });
});
