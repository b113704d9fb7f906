import assert from 'node:assert/strict';
import { existsSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { diskCalls } from '../../../../replicator/apply/disk-calls.ts';
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

  describe('that lacks what is removed', () => {
    let walks: number;

    beforeEach(() => {
      leads();
      const { tree } = host.up.store;
      const entries = tree.entries.bind(tree);
      walks = 0;
      tree.entries = (directory) => {
        if (directory === '') walks += 1;
        return entries(directory);
      };
    });

    const lacks = (handle: number, path: string) =>
      following.consume(
        encodeBatch(1, following.position, following.chain, [
          {
            ...{ kind: 'open', handle, path: at(path), created: true, truncate: false },
            ...{ mode: 0o644, otherNames: [] },
          },
          { kind: 'write', handle, offset: 0, length: 5 },
          { kind: 'close', handle },
        ]),
        [null],
      );

    it('does not look for it in the whole tree', async () => {
      for (let file = 1; file <= 100; file++) lacks(file, `f${file}`);
      for (let file = 1; file <= 50; file++) consume({ kind: 'remove', path: at(`f${file}`) });
      for (let file = 51; file < 100; file++)
        consume({ kind: 'rename', from: at(`f${file}`), to: at(`f${file + 1}`) });
      assert.deepEqual(following.wants(1000), [{ kind: 'content', path: 'f100', from: 0, to: 5 }]);
      assert.equal((await following.flush()).complete, false);
      assert.equal(walks, 0);
    });

    it('looks for all of it at once where a folder went', async () => {
      consume({ kind: 'mkdir', path: at('d'), mode: 0o755 });
      for (let file = 1; file <= 100; file++) lacks(file, `d/f${file}`);
      host.up.store.replica.doubt('d', 'tree');
      following.onName('d', { kind: 'absent' });
      assert.deepEqual(following.wants(1000), []);
      assert.equal((await following.flush()).complete, true);
      assert.ok(walks <= 1, `${walks}`);
    });
  });

  describe('asked for a barrier', () => {
    /** What was flushed, by its name; what is held takes until it is let go. */
    let flushed: string[];
    let held: PromiseWithResolvers<void>;

    beforeEach(async () => {
      flushed = [];
      held = Promise.withResolvers<void>();
      const root = host.options.files;
      const flush = (call: 'fsync' | 'fdatasync') => async (fd: number) => {
        const name = relative(root, readlinkSync(`/proc/self/fd/${fd}`));
        if (name === 'large') await held.promise;
        await diskCalls[call](fd);
        flushed.push(name);
      };
      await host.stop();
      Object.assign(host.options, {
        flushCalls: { fsync: flush('fsync'), fdatasync: flush('fdatasync') },
      });
      await host.start();
      following = host.up.follow();
      leads();
      open(2, 'large');
      following.consume(
        encodeBatch(1, following.position, following.chain, [
          { kind: 'write', handle: 2, offset: 0, length: 5 },
        ]),
        [Buffer.from('large')],
      );
      consume({ kind: 'mkdir', path: at('d'), mode: 0o755 });
    });

    afterEach(() => held.resolve());

    const open = (handle: number, path: string) =>
      consume({
        ...{ kind: 'open', handle, path: at(path), created: true, truncate: false },
        ...{ mode: 0o644, otherNames: [] },
      });

    it('flushes what the last batch changed, the way there and the log, and waits for nothing larger', async () => {
      const everything = following.flush();
      open(9, 'd/small');
      consume({ kind: 'close', handle: 9 });
      const { log } = host.up.store;
      assert.equal(await following.barrier(), true);
      assert.deepEqual([...new Set(flushed)].sort(), ['', 'd', 'd/small']);
      assert.equal(log.durable.position.sequence, following.position.sequence);
      held.resolve();
      assert.equal((await everything).complete, true);
      assert.ok(flushed.includes('large'));
    });

    it('flushes the file that an FSYNC is about, and no other', async () => {
      open(9, 'd/small');
      consume({ kind: 'sync', handle: 9 });
      assert.equal(await following.barrier(), true);
      assert.ok(flushed.includes('d/small') && !flushed.includes('large'), `${flushed}`);
    });

    it('waits for what it is about', async () => {
      consume({ kind: 'close', handle: 2 });
      let passed = false;
      const barrier = following.barrier().then(() => {
        passed = true;
      });
      await delay(50);
      assert.equal(passed, false);
      held.resolve();
      await barrier;
    });

    it('does not pass while anything is doubted', async () => {
      open(9, 'd/small');
      host.up.store.replica.doubt('elsewhere', 'name');
      consume({ kind: 'close', handle: 9 });
      assert.equal(await following.barrier(), false);
    });
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
