import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { type Duplex, duplexPair } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import ssh2 from 'ssh2';
import type { SftpNodeSettings } from '#contracts/ipc/sftp-node.ts';
import { createLogger, type Logger } from '#contracts/log.ts';
import { Users } from './auth/users.ts';
import { readHostKeys } from './host-keys.ts';
import { algorithms } from './transport/algorithms.ts';
import { Port } from './transport/port.ts';
import { Startups } from './transport/startups.ts';

const limitMs = 2000;

/**
 * Does in a spare what its start and the first login will do, so that the code is compiled when clients wait for it:
 * keys and users are read, and a client within this process goes through a key exchange and a refused login. The port is
 * taken: whoever connects as soon as the address is here waits, instead of being refused.
 * @returns what the start goes on with; null for what is wrong now: the start will say so, if it still is
 */
export async function rehearse(
  settings: SftpNodeSettings,
  log: Logger,
): Promise<{ readonly users: Users | null; readonly port: Port | null }> {
  createLogger('sftp-node', settings.logLevel, { node: settings.nodeId });
  const users = orNull(() => new Users(settings.configRoot, log));
  const hostKeys = orNull(() => readHostKeys(settings.configRoot, log));
  if (hostKeys !== null) {
    await Promise.race([refusedLogin(hostKeys), delay(limitMs, undefined, { ref: false })]);
  }
  const startups = new Startups(settings.startups, log);
  const port = await Port.open(settings.listenAddress, settings.port, startups).catch(() => null);
  return { users, port };
}

function orNull<Result>(make: () => Result): Result | null {
  try {
    return make();
  } catch {
    return null;
  }
}

/** @returns whether it got as far as the login that is refused */
export function refusedLogin(hostKeys: Buffer[]): Promise<boolean> {
  return new Promise((resolve) => {
    const [here, there] = duplexPair();
    let isRefused = false;
    const server = new ssh2.Server({ hostKeys, algorithms }, (connection) => {
      connection.on('authentication', (context) => {
        isRefused = true;
        context.reject();
      });
      connection.on('error', () => {});
    });
    const client = new ssh2.Client();
    client.on('error', () => client.destroy());
    client.on('close', () => resolve(isRefused));
    server.injectSocket(asSocket(here));
    client.connect({
      sock: asSocket(there),
      username: 'rehearsal',
      password: randomBytes(8).toString('hex'),
    });
  });
}

/**
 * ssh2 asks no more of a socket than these. What is written arrives a turn later, as from the kernel: a pair hands it over
 * within the call, and ssh2 then has the answer to what it is still sending, and ends the key exchange.
 */
function asSocket(stream: Duplex): Socket {
  const nothing = () => stream;
  const write = stream.write.bind(stream);
  const writeSoon = (chunk: Buffer) => {
    setImmediate(() => {
      if (stream.writable) write(chunk);
    });
    return true;
  };
  return Object.assign(stream, {
    write: writeSoon,
    setNoDelay: nothing,
    setTimeout: nothing,
    setMaxListeners: nothing,
  }) as unknown as Socket;
}
