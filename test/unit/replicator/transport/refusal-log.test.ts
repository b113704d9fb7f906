import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { RefusalLog } from '../../../../replicator/transport/refusal-log.ts';
import { offeredProtocols, spokenVersions } from '../../../../replicator/transport/version.ts';
import { until } from '../../until.ts';
import { Port, tlsOf } from './fixture.ts';

describe('what the log tells of who is refused', () => {
  const refusalsIn = (log: string) => log.split('\n').filter((line) => line.includes('was refused')).length;

  it('is one line for who comes again and again', async () => {
    using port = await Port.listen();
    for (let turn = 0; turn < 3; turn++) {
      const socket = port.connectTls({
        ...tlsOf('stranger'),
        ALPNProtocols: offeredProtocols(spokenVersions),
      });
      await once(socket.resume(), 'close');
    }
    await until(() => refusalsIn(port.log) > 0);
    assert.equal(refusalsIn(port.log), 1);
  });

  it('is safe to print, whatever a stranger calls itself', async () => {
    using port = await Port.listen();
    const socket = port.connectTls({
      ...tlsOf('stranger', 'a\u009b2J\u202eb'),
      ALPNProtocols: offeredProtocols(spokenVersions),
    });
    await once(socket.resume(), 'close');
    await until(() => refusalsIn(port.log) > 0);
    assert.doesNotMatch(port.log, /[\u0080-\u009f\u202e]/);
  });

  it('is bounded, counts the rest, and begins anew a minute later', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const lines: [fields: Record<string, unknown>, message: string][] = [];
    const warn = (fields: Record<string, unknown>, message: string) => lines.push([fields, message]);
    const refusals = new RefusalLog({ warn } as never);
    const refused = { code: 'PEER_REFUSED' };
    refusals.tell('10.0.0.1', refused, 'first');
    refusals.tell('10.0.0.1', refused, 'again');
    refusals.tell('10.0.0.1', { code: 'PEER_PROTOCOL' }, 'for another reason');
    assert.deepEqual(
      lines.map(([, message]) => message),
      ['first', 'for another reason'],
    );
    for (let n = 0; n < 500; n++) refusals.tell(`10.1.${n >> 8}.${n & 255}`, refused, 'flood');
    assert.equal(lines.length, 64);
    t.mock.timers.tick(60_000);
    assert.deepEqual(lines.at(-1)?.[0], { code: 'PEER_REFUSED', more: 1 + 500 - 62, sources: 64 });
    refusals.tell('10.0.0.1', refused, 'a minute later');
    assert.equal(lines.at(-1)?.[1], 'a minute later');
    t.mock.timers.tick(60_000);
    assert.equal(lines.length, 66, 'nothing to add');
  });
});
