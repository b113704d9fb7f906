import assert from 'node:assert/strict';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { LogRecord } from '../../../../replicator/core/record.ts';
import type { Following } from '../../../../replicator/engine/following.ts';
import { encodeBatch } from '../../../../replicator/log/batch.ts';
import { RealHost } from './engine-host.ts';

const at = (path: string) => Buffer.from(path);

describe('a host that follows', () => {
  let host: RealHost;
  let following: Following;

  beforeEach(async () => {
    host = new RealHost('b');
    await host.start();
    following = host.up.follow();
  });

  afterEach(async () => {
    await host.remove();
  });

  function consume(...records: LogRecord[]): void {
    const epoch = following.position.epoch === 0 ? 1 : following.position.epoch;
    following.consume(encodeBatch(epoch, following.position, following.chain, records), []);
  }

  const leads = () =>
    consume({ kind: 'leadership', epoch: 1, node: 'a', previous: { epoch: 0, sequence: 0 } });

  it('doubts what it cannot make, and asks for it', async () => {
    leads();
    const { tree } = host.up.store;
    tree.make = () => {
      throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC', errno: -28 });
    };
    consume({ kind: 'mkdir', path: at('d'), mode: 0o755 });
    assert.equal(following.position.sequence, 2);
    assert.deepEqual(following.wants(10), [{ kind: 'name', path: 'd' }]);
    assert.equal((await following.flush()).complete, false);
  });

  it('says that it is complete only once it has all that it lacked', async () => {
    leads();
    const { replica } = host.up.store;
    replica.doubt('x', 'name');
    assert.equal((await following.flush()).complete, false);
    following.onName('x', { kind: 'absent' });
    const flushed = await following.flush();
    assert.deepEqual(flushed, { position: { epoch: 1, sequence: 1 }, complete: true });
  });

  it('sets aside what the leader does not have', () => {
    writeFileSync(join(host.options.files, 'own'), 'mine');
    leads();
    host.up.store.replica.doubt('', 'entries');
    following.onEntries('', { after: null, names: [], upTo: null });
    assert.equal(existsSync(join(host.options.files, 'own')), false);
    assert.equal(readdirSync(join(host.folder, 'aside')).length, 1);
  });

  it('is at the position of a leader whose log does not reach back, and doubts everything', async () => {
    leads();
    await following.beginAnew({ epoch: 7, sequence: 70 }, Buffer.alloc(16, 3), [{ epoch: 7, first: 50 }]);
    assert.deepEqual(following.position, { epoch: 7, sequence: 70 });
    assert.deepEqual(following.wants(10), [{ kind: 'entries', path: '', after: null }]);
    await host.stop();
    await host.start();
    following = host.up.follow();
    assert.deepEqual(following.position, { epoch: 7, sequence: 70 });
    assert.deepEqual(following.wants(10), [{ kind: 'entries', path: '', after: null }]);
  });

  it('doubts what its own records did when they are taken back, and is so after a restart', async () => {
    leads();
    consume({ kind: 'mkdir', path: at('d'), mode: 0o755 });
    consume({ kind: 'symlink', path: at('s'), target: at('x') });
    await following.cutTo({ epoch: 1, sequence: 2 });
    assert.deepEqual(following.wants(10), [{ kind: 'name', path: 's' }]);
    await host.stop();
    await host.start();
    following = host.up.follow();
    assert.deepEqual(following.position, { epoch: 1, sequence: 2 });
    assert.deepEqual(following.wants(10), [{ kind: 'name', path: 's' }]);
  });
});
