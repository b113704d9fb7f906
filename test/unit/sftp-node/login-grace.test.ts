import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, beforeEach, describe, it, mock } from 'node:test';
import { setImmediate as others } from 'node:timers/promises';
import pino from 'pino';
import ssh2 from 'ssh2';
import { newKey } from '../../../replicator/state/new-key.ts';
import { Admission } from '../../../sftp-node/admission.ts';
import { FailureCounter } from '../../../sftp-node/auth/failures.ts';
import { PasswordChecker } from '../../../sftp-node/auth/passwords.ts';
import { Users } from '../../../sftp-node/auth/users.ts';
import { EngineClient } from '../../../sftp-node/engine/engine-client.ts';
import { Jail } from '../../../sftp-node/paths/jail.ts';
import type { Port } from '../../../sftp-node/transport/port.ts';
import { loginGraceMs, SftpServer } from '../../../sftp-node/transport/server.ts';
import { Startups } from '../../../sftp-node/transport/startups.ts';
import { WriteGate } from '../../../sftp-node/write-gate.ts';

const log = pino({ level: 'silent' });
const key = newKey('ed25519');
const hostKey = Buffer.from(newKey('ed25519').privateKey);
const nothing = () => {};

describe('the time that a client has to log in', { timeout: 20_000 }, () => {
  const configRoot = mkdtempSync(join(tmpdir(), 'holdfast-grace-'));
  let users: Users;
  let net: Server;
  let port: number;
  let server: SftpServer;
  beforeEach(async () => {
    writeFileSync(
      join(configRoot, 'users.yaml'),
      `users: [{ name: alice, publicKeys: ["${key.publicKey}"] }]\n`,
    );
    users = new Users(configRoot, log);
    const gate = new WriteGate({ epoch: 1, onOpen: nothing, onDoubt: nothing, onExpired: nothing });
    const engine = new EngineClient({ path: join(configRoot, 'engine.sock'), epoch: 1, door: 'test', log });
    engine.close();
    const admission = new Admission();
    admission.open();
    server = new SftpServer(
      [hostKey],
      { clientAliveIntervalMs: 0, clientAliveCountMax: 3 },
      {
        users,
        passwords: new PasswordChecker(),
        failures: new FailureCounter(),
        engine,
        gate,
        tree: new Jail(configRoot, '.'),
        admission,
        filesRoot: configRoot,
        log,
        onHandles: nothing,
      },
    );
    const rules = { begin: 100, ratePercent: 30, full: 200, perSource: 10, kept: 20 };
    mock.timers.enable({ apis: ['setTimeout'] });
    const startups = new Startups(rules, log);
    net = createServer();
    const served: Pick<Port, 'serve'> = {
      serve: (take) => {
        net.on('connection', (socket) => {
          const startup = startups.admit(socket);
          if (startup !== null) take(socket, startup);
        });
      },
    };
    server.serve(served);
    await once(net.listen(0, '127.0.0.1'), 'listening');
    port = (net.address() as AddressInfo).port;
  });
  afterEach(() => {
    mock.timers.reset();
    server.hangUpClients();
    users.close();
    net.close();
  });

  const settled = async () => {
    for (let turn = 0; turn < 20; turn++) await others();
  };

  it('is over for a client that says nothing, and for one that does not log in', async () => {
    const silent: Socket = connect(port, '127.0.0.1');
    const slow: Socket = connect(port, '127.0.0.1');
    const [silentEnd, slowEnd] = [once(silent.resume(), 'close'), once(slow.resume(), 'close')];
    await Promise.all([once(silent, 'connect'), once(slow, 'connect')]);
    slow.write('SSH-2.0-slow\r\n');
    while (server.clients.length === 0) await others();
    mock.timers.tick(loginGraceMs);
    await Promise.all([silentEnd, slowEnd]);
  });

  it('begins anew for a connection from the port of one that was reset a moment before', async () => {
    const first = connect(port, '127.0.0.1');
    await once(first, 'connect');
    await settled();
    const { localPort } = first;
    first.resetAndDestroy();
    const second = connect({ port, host: '127.0.0.1', localPort: Number(localPort) });
    const ended = once(second.resume(), 'close');
    await once(second, 'connect');
    await settled();
    second.write('SSH-2.0-second\r\n');
    await settled();
    assert.equal(server.clients.length, 1);
    // No SSH: the connection ends, and nothing else does.
    second.write(Buffer.alloc(64, 0xff));
    await ended;
  });

  it('does not concern a client that has logged in', async () => {
    const client = new ssh2.Client();
    let isClosed = false;
    client.on('close', () => {
      isClosed = true;
    });
    client.connect({
      host: '127.0.0.1',
      port,
      username: 'alice',
      privateKey: key.privateKey,
      readyTimeout: 0,
    });
    await once(client, 'ready');
    await settled();
    assert.deepEqual(
      server.clients.map(({ user }) => user),
      ['alice'],
    );
    mock.timers.tick(10 * loginGraceMs);
    await settled();
    assert.equal(isClosed, false);
    assert.equal(server.clients.length, 1);
    client.destroy();
  });

  after(() => rmSync(configRoot, { recursive: true }));
});
