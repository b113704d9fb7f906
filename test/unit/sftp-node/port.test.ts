import assert from 'node:assert/strict';
import { Server } from 'node:net';
import { describe, it } from 'node:test';
import pino from 'pino';
import { Port } from '../../../sftp-node/transport/port.ts';
import { Startups } from '../../../sftp-node/transport/startups.ts';

describe('the port for clients', () => {
  it('outlives a connection that the kernel could not hand over, before it is served and after', async (t) => {
    const listened = t.mock.method(Server.prototype, 'listen');
    const rules = { begin: 100, ratePercent: 30, full: 200, perSource: 10, kept: 20 };
    const port = await Port.open('127.0.0.1', 0, new Startups(rules, pino({ level: 'silent' })));
    const net = listened.mock.calls[0]?.this as Server;
    t.after(() => net.close());
    assert.deepEqual([port.isListening, port.isAccepting], [true, true]);
    const failure = Object.assign(new Error('accept EMFILE'), { code: 'EMFILE' });
    net.emit('error', failure);
    assert.deepEqual([port.isListening, port.isAccepting], [true, false]);
    const told: Error[] = [];
    port.serve(
      () => {},
      (error) => told.push(error),
    );
    net.emit('error', failure);
    assert.deepEqual(told, [failure]);
  });
});
