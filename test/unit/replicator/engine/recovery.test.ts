import assert from 'node:assert/strict';
import {
  fstatSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import pino from 'pino';
import { diskCalls } from '../../../../replicator/apply/disk-calls.ts';
import { encodeState, NotedState } from '../../../../replicator/engine/checkpoint-state.ts';
import type { ClientWork } from '../../../../replicator/engine/client-work.ts';
import { decodeLocalRecords } from '../../../../replicator/log/local-record-codec.ts';
import { maxStateBytes } from '../../../../replicator/log/segment-header.ts';
import { RealHost } from './engine-host.ts';
import { TestClient } from './test-client.ts';

const at = (path: string) => Buffer.from(path, 'latin1');
const gate = { mayChange: true, mayAcknowledge: true };

describe('a host that starts again', () => {
  let host: RealHost;
  let epoch = 0;

  beforeEach(() => {
    host = new RealHost('a');
    epoch = 0;
  });

  afterEach(async () => {
    await host.remove();
  });

  async function lead(): Promise<{ work: ClientWork; client: TestClient }> {
    await host.start();
    epoch += 1;
    const leading = await host.up.lead(epoch, 'a');
    const work = host.up.serve(leading, gate, { durable: async () => {}, isFull: false, keepsData: false });
    const client = new TestClient(work);
    await client.begin();
    return { work, client };
  }

  const doubted = () => {
    const { names, missing } = host.up.store.replica.state.doubts;
    assert.deepEqual(missing, []);
    return names.map(({ path, scope }) => `${scope} ${path}`).sort();
  };

  /** In `d` a file is changed, and in `e` one is made; `f` stays as it is. */
  async function work(): Promise<void> {
    for (const name of ['d', 'e', 'f']) mkdirSync(join(host.options.files, name));
    writeFileSync(join(host.options.files, 'd/old'), 'old');
    const { client } = await lead();
    const old = await client.open('d/old');
    await client.ask({ kind: 'write', handle: old, offset: 0, data: at('new') });
    const made = await client.open('e/new');
    await client.turn(
      { kind: 'write', handle: made, offset: 0, data: at('x') },
      { kind: 'close', handle: made },
    );
    await client.ask({ kind: 'close', handle: old });
  }

  it('doubts nothing when its process alone died after all was noted', async () => {
    await work();
    host.up.store.note();
    await host.stop();
    await host.start();
    assert.equal(host.up.start, 'process-died');
    assert.deepEqual(doubted(), []);
  });

  it('doubts after power loss what was active, and nothing else', async () => {
    await work();
    await host.stop(true);
    await host.start();
    assert.equal(host.up.start, 'power-lost');
    assert.deepEqual(doubted(), ['entries e', 'name d/old']);
  });

  it('doubts what was open after power loss', async () => {
    const { client } = await lead();
    await client.open('a');
    await host.stop(true);
    await host.start();
    assert.deepEqual(doubted(), ['entries ', 'name a']);
    assert.deepEqual([...host.up.store.replica.handles.values()], [{ inode: null, path: 'a' }]);
  });

  it('binds what was open again by its inode when its process alone died', async () => {
    const { client } = await lead();
    await client.open('a');
    await client.ask({ kind: 'rename', from: at('a'), to: at('b'), replace: false });
    const { inode } = [...host.up.store.replica.handles.values()][0] ?? { inode: null };
    assert.notEqual(inode, null);
    host.up.store.noteSoon();
    await new Promise((resolve) => setImmediate(resolve));
    await host.stop();
    await host.start();
    assert.deepEqual([...host.up.store.replica.handles.values()], [{ inode, path: 'b' }]);
  });

  it('forgets what was active with a checkpoint', async () => {
    Object.assign(host.options, { maxActive: 4 });
    await work();
    while (host.up.store.activity.isCheckpointing || host.up.store.activity.wantsCheckpoint) {
      host.up.store.checkpointWhenDue();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await host.stop(true);
    await host.start();
    assert.deepEqual(doubted(), []);
  });

  it('doubts everything when more was active than is noted by name', async () => {
    Object.assign(host.options, { maxActive: 2 });
    for (const name of ['1', '2', '3']) mkdirSync(join(host.options.files, name));
    const { client } = await lead();
    const names = ['1/x', '2/x', '3/x'];
    await client.turn(...names.map((path) => ({ kind: 'mkdir', path: at(path), mode: 0o755 }) as const));
    const { active } = new NotedState(host.up.store.state, new Map());
    assert.ok(active.trees.some((path) => path.length === 0));
  });

  it('doubts everything when its log is damaged, and goes on', async () => {
    await work();
    await host.up.close();
    host.engine = null;
    const name = readdirSync(join(host.folder, 'log')).sort().at(-1) ?? '';
    const file = join(host.folder, 'log', name);
    const bytes = readFileSync(file);
    bytes[30] = (bytes[30] ?? 0) ^ 1;
    writeFileSync(file, bytes);
    await host.start();
    assert.equal(host.up.start, 'log-begun-anew');
    assert.deepEqual(doubted(), ['tree ']);
    const { client } = await lead();
    assert.equal((await client.ask({ kind: 'mkdir', path: at('g'), mode: 0o755 })).kind, 'done');
  });

  it('doubts everything after a flush failed, whatever the log says', async () => {
    let fails = false;
    let fatal: unknown = null;
    const fsync = async (fd: number) => {
      if (fails) throw Object.assign(new Error('EIO'), { code: 'EIO', errno: -5 });
      await diskCalls.fsync(fd);
    };
    Object.assign(host.options, {
      flushCalls: { fsync, fdatasync: fsync },
      onFatal: (error: unknown) => {
        fatal = error;
      },
    });
    const { client } = await lead();
    fails = true;
    const refused = await client.ask({ kind: 'mkdir', path: at('g'), mode: 0o755 });
    assert.equal('errno' in refused && refused.errno, 'EIO');
    assert.notEqual(fatal, null);
    await host.stop();
    fails = false;
    await host.start();
    assert.equal(host.up.start, 'log-begun-anew');
    assert.deepEqual(doubted(), ['tree ']);
  });

  describe('after the flush of a single file failed (P6)', () => {
    const logger = pino({ level: 'silent' });
    let failing: bigint | null;
    let fatal: unknown;

    beforeEach(() => {
      failing = null;
      fatal = null;
      const fsync = async (fd: number) => {
        if (fstatSync(fd, { bigint: true }).ino === failing)
          throw Object.assign(new Error('EIO'), { code: 'EIO', errno: -5 });
        await diskCalls.fsync(fd);
      };
      Object.assign(host.options, {
        flushCalls: { fsync, fdatasync: fsync },
        onFatal: (error: unknown) => {
          fatal = error;
        },
      });
    });

    const inodeOf = (name: string) => statSync(join(host.options.files, name), { bigint: true }).ino;

    async function failOnWrite(): Promise<void> {
      writeFileSync(join(host.options.files, 'x'), 'old');
      const { client } = await lead();
      failing = inodeOf('x');
      const handle = await client.open('x');
      await client.ask({ kind: 'write', handle, offset: 0, data: at('new') });
      const refused = await client.ask({ kind: 'close', handle });
      assert.equal('errno' in refused && refused.errno, 'EIO');
      assert.notEqual(fatal, null);
      await host.stop();
      failing = null;
    }

    it('goes on with its log, and says of nothing that it is complete until the file is replaced', async () => {
      await failOnWrite();
      const bad = inodeOf('x');
      await host.start();
      assert.equal(host.up.start, 'process-died');
      const { store } = host.up;
      assert.deepEqual(store.failedFiles.all, [{ path: 'x', inode: bad }]);
      store.replica.trustAll();
      assert.deepEqual([store.replica.isComplete, store.isComplete], [true, false]);
      assert.equal((await store.flush()).complete, false);
      assert.equal((await store.barrier({ files: [], paths: [] })).complete, false);
    });

    it('replaces it by all its names, wherever it is by now, and has that noted when it says so', async () => {
      await failOnWrite();
      linkSync(join(host.options.files, 'x'), join(host.options.files, 'linked'));
      renameSync(join(host.options.files, 'x'), join(host.options.files, 'y'));
      await host.start();
      assert.equal(await host.up.replaceFailedFiles(logger), true);
      assert.deepEqual(doubted(), ['name linked', 'name x', 'name y']);
      assert.deepEqual(readdirSync(host.options.files), []);
      assert.equal(await host.up.replaceFailedFiles(logger), false, 'once');
      await host.stop();
      await host.start();
      assert.deepEqual(doubted(), ['name linked', 'name x', 'name y']);
      assert.deepEqual(host.up.store.failedFiles.all, []);
    });

    it('remembers it over a restart of the machine, and takes it away again when it died on the way', async () => {
      await failOnWrite();
      await host.start();
      await host.stop(true);
      await host.start();
      assert.equal(host.up.start, 'power-lost');
      assert.equal(host.up.store.failedFiles.all.length, 1);
      rmSync(join(host.options.files, 'x'));
      assert.equal(await host.up.replaceFailedFiles(logger), true);
      assert.ok(doubted().includes('name x'));
    });

    it('does not forget it before it is noted that it is to be fetched', async () => {
      await failOnWrite();
      await host.start();
      fatal = null;
      failing = statSync(host.options.files, { bigint: true }).ino;
      assert.equal(await host.up.replaceFailedFiles(logger), false);
      assert.notEqual(fatal, null, 'the flush of the directory failed');
      assert.equal(host.up.store.failedFiles.all.length, 1);
      failing = null;
    });

    it('finds those that the life before left in the page cache', async () => {
      await work();
      await host.stop();
      Object.assign(host.options, { syncFileSystem: async () => false });
      await host.start();
      failing = inodeOf('e/new');
      await assert.rejects(host.up.store.flush(), { name: 'FlushFailure' });
      assert.notEqual(fatal, null);
      assert.deepEqual(host.up.store.failedFiles.all, [{ path: 'e/new', inode: failing }]);
    });

    it('doubts everything when the note cannot be read', async () => {
      await failOnWrite();
      writeFileSync(host.options.failedFilesNote, '[{"path": 3}]');
      await host.start();
      assert.equal(host.up.start, 'log-begun-anew');
      assert.deepEqual(doubted(), ['tree ']);
    });
  });

  it('begins its log anew once after a flush failed, and not at each start until the next boot', async () => {
    await work();
    await host.stop();
    host.options.mark.distrustPageCache();
    await host.start();
    assert.equal(host.up.start, 'log-begun-anew');
    await host.stop();
    await host.start();
    assert.equal(host.up.start, 'process-died');
    assert.deepEqual(doubted(), ['tree ']);
  });

  it('doubts files that it finds where its log begins', async () => {
    writeFileSync(join(host.options.files, 'x'), 'x');
    await host.start();
    assert.deepEqual(doubted(), ['tree ']);
  });

  it('acknowledges nothing before what its last life left in the page cache is on the disk', async () => {
    await work();
    await host.stop();
    const flushing: (() => void)[] = [];
    const { client } = await lead();
    const { store } = host.up;
    // The first life's files were flushed for the start of the leadership already.
    await store.inherited();
    Object.assign(store, { inherited: () => new Promise<void>((resolve) => flushing.push(resolve)) });
    let outcome: unknown = null;
    const asked = client.ask({ kind: 'mkdir', path: at('f/x'), mode: 0o755 }).then((settled) => {
      outcome = settled;
    });
    await store.log.flush();
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(outcome, null);
    for (const resolve of flushing) resolve();
    await asked;
    assert.notEqual(outcome, null);
  });

  for (const asAWhole of [true, false])
    it(`flushes what its last life left ${asAWhole ? 'as a whole' : 'file by file where it has to'}`, async () => {
      await work();
      await host.stop();
      const asked: string[] = [];
      Object.assign(host.options, {
        syncFileSystem: async (folder: string) => {
          asked.push(folder);
          return asAWhole;
        },
      });
      await host.start();
      const { tree } = host.up.store;
      const listed: string[] = [];
      const entries = tree.entries.bind(tree);
      tree.entries = (directory) => {
        listed.push(directory);
        return entries(directory);
      };
      await host.up.store.inherited();
      assert.deepEqual(asked, [host.options.files]);
      assert.equal(listed.includes('e'), !asAWhole);
    });

  it('says that everything is uncertain where a checkpoint has no room for more', () => {
    const path = Buffer.alloc(200, 'x');
    const changes = Array.from(
      { length: 2000 },
      () => ({ kind: 'mark', path: path.toString(), scope: 'name' }) as const,
    );
    const records = Array.from({ length: 30 }, () => ({ kind: 'doubts', changes }) as const);
    const bytes = encodeState([{ kind: 'applied', sequence: 7 }, ...records]);
    assert.ok(bytes.length < maxStateBytes);
    assert.deepEqual(
      decodeLocalRecords(bytes).map(({ kind }) => kind),
      ['applied', 'active', 'doubts'],
    );
  });
});
