import assert from 'node:assert/strict';
import { linkSync, lstatSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { diskCalls } from '../../../../replicator/apply/disk-calls.ts';
import { Space } from '../../../../replicator/apply/space.ts';
import { timesOf } from '../../../../replicator/apply/times.ts';
import type { ClientWork } from '../../../../replicator/engine/client-work.ts';
import type { Leading } from '../../../../replicator/engine/leading.ts';
import { readBatch } from '../../../../replicator/log/batch.ts';
import { DiskFolder, type LogFile } from '../../../../replicator/log/log-files.ts';
import type { DecodedRecord } from '../../../../replicator/log/record-codec.ts';
import { RealHost } from './engine-host.ts';
import { openRequest, TestClient } from './test-client.ts';

const at = (path: string) => Buffer.from(path, 'latin1');
const done = (...paths: string[]) => ({ kind: 'done', durable: true, paths: paths.map(at) });

describe('the clients of a leadership', () => {
  let host: RealHost;
  let leading: Leading;
  let work: ClientWork;
  let client: TestClient;
  const gate = { mayChange: true, mayAcknowledge: true };
  let elsewhere: (sequence: number) => Promise<void>;
  /** Whether what is ordered is kept to be sent. */
  let keepsData: boolean;
  /** In what order things reached the disk and the tree. */
  let flushed: string[];

  async function start(changes: Partial<RealHost['options']> = {}): Promise<void> {
    Object.assign(host.options, changes);
    await host.start();
    leading = await host.up.lead(1, 'a');
    work = host.up.serve(leading, gate, {
      durable: (sequence) => elsewhere(sequence),
      isFull: false,
      get keepsData() {
        return keepsData;
      },
    });
    client = new TestClient(work);
    await client.begin();
  }

  const file = (path: string) => join(host.options.files, path);
  const records = async () => {
    const found: DecodedRecord[] = [];
    for await (const { payload } of leading.read(1)) found.push(...readBatch(payload).records);
    return found;
  };
  const kinds = async () => (await records()).map(({ kind }) => kind);

  beforeEach(() => {
    host = new RealHost('a');
    Object.assign(gate, { mayChange: true, mayAcknowledge: true });
    elsewhere = async () => {};
    keepsData = false;
    flushed = [];
  });

  afterEach(async () => {
    await host.remove();
  });

  it('are acknowledged when the log is on the disk, and not before', async () => {
    await start();
    // From then on its directory is active: what is changed there waits for no flush before.
    const handle = await client.open('a');
    const { log } = host.up.store;
    const flush = log.flush.bind(log);
    const held = Promise.withResolvers<void>();
    log.flush = async () => {
      await held.promise;
      return await flush();
    };
    let answered = false;
    const closing = client.turn({ kind: 'close', handle }).then((outcomes) => {
      answered = true;
      return outcomes;
    });
    await delay(50);
    assert.equal(answered, false);
    held.resolve();
    assert.deepEqual(await closing, [done()]);
  });

  it('whose engine leads again under the same epoch find no handle open in its log', async () => {
    await start();
    const handle = await client.open('a');
    await client.turn({ kind: 'write', handle, offset: 0, data: at('text') });
    await host.stop();
    await start();
    assert.equal(host.up.store.log.handles.size, 0);
    assert.equal((await kinds()).filter((kind) => kind === 'leadership').length, 1);
    const again = await client.open('a');
    assert.deepEqual(await client.turn({ kind: 'close', handle: again }), [
      { kind: 'done', durable: false, paths: [] },
    ]);
  });

  it('write files, durably at their close, with the times that the log says', async () => {
    await start();
    const handle = await client.open('a');
    const outcomes = await client.turn(
      { kind: 'write', handle, offset: 0, data: at('one ') },
      { kind: 'write', handle, offset: 4, data: at('two') },
      { kind: 'read-barrier' },
      { kind: 'append', handle, data: at('!') },
      { kind: 'close', handle },
    );
    assert.deepEqual(outcomes, [
      { kind: 'written' },
      { kind: 'written' },
      { kind: 'done', durable: false, paths: [] },
      { kind: 'written', size: 8 },
      done(),
    ]);
    // Before it is read, which changes the time of access.
    const stats = lstatSync(file('a'), { bigint: true });
    assert.equal(readFileSync(file('a'), 'utf8'), 'one two!');
    assert.deepEqual(await kinds(), [
      'leadership',
      'open',
      'write',
      'write',
      'write',
      'set-handle-attributes',
      'close',
    ]);
    const times = (await records()).find(({ kind }) => kind === 'set-handle-attributes');
    assert.deepEqual(times?.kind === 'set-handle-attributes' && times.attributes, timesOf(stats));
    assert.deepEqual(await client.ask({ kind: 'close', handle }), {
      kind: 'refused',
      errno: 'EBADF',
      sentence: 'the change was refused: EBADF',
    });
  });

  it('change names in one turn, each on what those before it made', async () => {
    await start();
    const outcomes = await client.turn(
      { kind: 'mkdir', path: at('/d'), mode: 0o755 },
      { kind: 'symlink', path: at('/l'), target: at('d') },
      { kind: 'mkdir', path: at('/l/below'), mode: 0o700 },
      { kind: 'rename', from: at('l/below'), to: at('d/../moved'), replace: false },
      { kind: 'rmdir', path: at('d') },
      {
        kind: 'set-attributes',
        path: at('moved'),
        follow: true,
        attributes: { mode: 0o750, modifiedAtUs: 5_000_000 },
      },
    );
    assert.deepEqual(outcomes, [
      done('d'),
      done('l'),
      done('d/below'),
      done('d/below', 'moved'),
      done('d'),
      done('moved'),
    ]);
    const stats = lstatSync(file('moved'));
    assert.equal(stats.mode & 0o777, 0o750);
    assert.equal(stats.mtimeMs, 5000);
  });

  it('are refused before anything is logged', async () => {
    await start();
    await client.ask({ kind: 'mkdir', path: at('d'), mode: 0o755 });
    const before = await kinds();
    const outcomes = await client.turn(
      { kind: 'remove', path: at('nothing') },
      { kind: 'mkdir', path: at('d'), mode: 0o755 },
      openRequest('nothing', { create: false }),
      { kind: 'rmdir', path: at('/') },
      { kind: 'write', handle: 77, offset: 0, data: at('x') },
      { kind: 'remove', path: at('a\0b') },
    );
    const errnos = outcomes.map((outcome) => ('errno' in outcome ? outcome.errno : outcome.kind));
    assert.deepEqual(errnos, ['ENOENT', 'EEXIST', 'ENOENT', 'EBUSY', 'EBADF', 'EINVAL']);
    assert.deepEqual(await kinds(), before);
  });

  it('are kept in their root, which is made when it is missing', async () => {
    await start();
    mkdirSync(file('other'));
    const jailed = new TestClient(work, { root: at('homes/x'), makeRoot: 0o700 });
    assert.deepEqual(await jailed.begin(), { kind: 'begun', made: 2 });
    assert.deepEqual(
      await jailed.ask({ kind: 'mkdir', path: at('/../../../a'), mode: 0o755 }),
      done('homes/x/a'),
    );
    assert.deepEqual(
      await jailed.ask({ kind: 'symlink', path: at('out'), target: at('/../../other') }),
      done('homes/x/out'),
    );
    const through = await jailed.ask({ kind: 'mkdir', path: at('out/y'), mode: 0o755 });
    assert.equal('errno' in through && through.errno, 'ENOENT');
    const reader = new TestClient(work, { mayChange: false });
    await reader.begin();
    const refused = await reader.ask({ kind: 'mkdir', path: at('b'), mode: 0o755 });
    assert.equal('errno' in refused && refused.errno, 'EACCES');
    const nowhere = await new TestClient(work, { root: at('none') }).begin();
    assert.equal('errno' in nowhere && nowhere.errno, 'ENOENT');
  });

  it('leave both names of a file that is renamed onto itself', async () => {
    writeFileSync(file('a'), 'x');
    linkSync(file('a'), file('b'));
    await start();
    const outcome = await client.ask({ kind: 'rename', from: at('a'), to: at('b'), replace: true });
    assert.deepEqual(outcome, { kind: 'done', durable: false, paths: [at('a'), at('b')] });
    assert.equal(lstatSync(file('a')).nlink, 2);
  });

  it('that end leave their handles closed, and what they wrote', async () => {
    await start();
    const [one, two] = [await client.open('a'), await client.open('b')];
    await client.ask({ kind: 'write', handle: one, offset: 0, data: at('kept') });
    assert.deepEqual(await client.ask({ kind: 'end-session' }), done());
    assert.equal(host.up.store.replica.handles.size, 0);
    assert.equal(readFileSync(file('a'), 'utf8'), 'kept');
    assert.notEqual(one, two);
  });

  it('write what is kept to be sent as it was, whatever becomes of the memory in which it came', async () => {
    await start();
    keepsData = true;
    const kept: (Buffer | null)[] = [];
    leading.subscribe((_batch, data) => kept.push(...(data ?? [])));
    const handle = await client.open('a');
    await client.turn(
      { kind: 'write', handle, offset: 0, data: at('one') },
      { kind: 'append', handle, data: at('two') },
    );
    assert.deepEqual(kept.map(String), ['one', 'two']);
  });

  it('are acknowledged when the others have it, and the gate is open', async () => {
    await start();
    const waits: { sequence: number; release: () => void }[] = [];
    elsewhere = (sequence) => new Promise((release) => waits.push({ sequence, release }));
    let outcome: unknown = null;
    const asked = client.ask({ kind: 'mkdir', path: at('d'), mode: 0o755 }).then((settled) => {
      outcome = settled;
    });
    await host.up.store.flush();
    assert.equal(outcome, null);
    assert.equal(waits[0]?.sequence, leading.position.sequence);
    gate.mayAcknowledge = false;
    waits[0]?.release();
    await asked;
    assert.equal((outcome as { errno?: string } | null)?.errno, 'EIO');
    gate.mayChange = false;
    const refused = await client.ask({ kind: 'mkdir', path: at('e'), mode: 0o755 });
    assert.equal('errno' in refused && refused.errno, 'EAGAIN');
    // Once it was open again, and shut anew, clients wait again.
    Object.assign(gate, { mayChange: true, mayAcknowledge: true });
    elsewhere = async () => {};
    assert.deepEqual(await client.ask({ kind: 'mkdir', path: at('e'), mode: 0o755 }), done('e'));
    gate.mayChange = false;
    const waiting = client.ask({ kind: 'mkdir', path: at('f'), mode: 0o755 });
    await delay(50);
    gate.mayChange = true;
    assert.deepEqual(await waiting, done('f'));
  });

  it('that wait for the gate are carried out and answered in the order in which they came', async () => {
    await start();
    const handle = await client.open('a');
    const answered: unknown[] = [];
    const append = (text: string) =>
      client.ask({ kind: 'append', handle, data: at(text) }).then((outcome) => {
        answered.push(outcome);
      });
    gate.mayChange = false;
    const waiting = [append('first '), append('second '), client.ask({ kind: 'read-barrier' })];
    await delay(20);
    assert.deepEqual(answered, []);
    gate.mayChange = true;
    // It comes while the gate is open, and those before it have not been carried out yet.
    await Promise.all([...waiting, append('third')]);
    assert.deepEqual(
      answered,
      [6, 13, 18].map((size) => ({ kind: 'written', size })),
    );
    assert.equal(readFileSync(file('a'), 'utf8'), 'first second third');
  });

  /** Writes down which files of the log, and which others, are flushed. */
  class WatchedFolder extends DiskFolder {
    override create(name: string): LogFile {
      const made = super.create(name);
      const sync = made.sync.bind(made);
      made.sync = async () => {
        flushed.push(`log with ${host.engine?.store.tree.entries('').join(' ') ?? ''}`);
        await sync();
      };
      return made;
    }
  }

  it('change a directory for the first time behind one flush for all of the turn', async () => {
    for (const name of ['x', 'y']) mkdirSync(file(name));
    await start({ logFolder: new WatchedFolder(host.options.logFolder.path) });
    flushed = [];
    const outcomes = client.turn(
      { kind: 'mkdir', path: at('x/1'), mode: 0o755 },
      { kind: 'mkdir', path: at('y/1'), mode: 0o755 },
      { kind: 'mkdir', path: at('2'), mode: 0o755 },
    );
    assert.deepEqual(flushed, ['log with x y']);
    assert.equal(host.up.store.tree.find('x/1'), null);
    assert.deepEqual(await outcomes, [done('x/1'), done('y/1'), done('2')]);
    const second = client.turn({ kind: 'mkdir', path: at('x/3'), mode: 0o755 });
    assert.equal(host.up.store.tree.find('x/3')?.kind, 'directory');
    await second;
    assert.equal(client.retained, 0);
  });

  it('find a full disk before the change', async () => {
    const free = { bytes: 2 ** 30, files: 1000, isReadOnly: false };
    await start({ space: new Space(() => free, { reserveBytes: 0, reserveFiles: 0 }) });
    const handle = await client.open('a');
    const before = (await kinds()).length;
    free.bytes = 10;
    const [written, made] = await client.turn(
      { kind: 'write', handle, offset: 0, data: Buffer.alloc(64, 1) },
      { kind: 'mkdir', path: at('d'), mode: 0o755 },
    );
    assert.deepEqual(
      [written?.kind, written !== undefined && 'errno' in written && written.errno],
      ['write-refused', 'ENOSPC'],
    );
    assert.equal(made !== undefined && 'errno' in made && made.errno, 'ENOSPC');
    assert.equal((await kinds()).length, before);
    assert.equal(lstatSync(file('a')).size, 0);
  });

  it('find a full disk of the log before the change, and go on when there is room', async () => {
    let isFull = false;
    class FullFolder extends DiskFolder {
      override create(name: string): LogFile {
        const made = super.create(name);
        const write = made.write.bind(made);
        made.write = (bytes, position) => {
          if (isFull) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC', errno: -28 });
          write(bytes, position);
        };
        return made;
      }
    }
    await start({ logFolder: new FullFolder(host.options.logFolder.path) });
    const handle = await client.open('a');
    isFull = true;
    const outcomes = await client.turn(
      { kind: 'write', handle, offset: 0, data: Buffer.alloc(64, 1) },
      { kind: 'mkdir', path: at('d'), mode: 0o755 },
    );
    assert.deepEqual(
      outcomes.map((outcome) => 'errno' in outcome && outcome.errno),
      ['ENOSPC', 'ENOSPC'],
    );
    assert.equal(host.up.store.tree.find('d'), null);
    assert.equal(lstatSync(file('a')).size, 0);
    isFull = false;
    assert.deepEqual(await client.ask({ kind: 'mkdir', path: at('d'), mode: 0o755 }), done('d'));
  });

  it('say in the log what failed half way, and are told so', async () => {
    mkdirSync(file('d'));
    await start();
    symlinkSync('nowhere', file('in-the-way'));
    const { tree } = host.up.store;
    const make = tree.make.bind(tree);
    tree.make = (path, entry) => {
      make(path, entry);
      throw Object.assign(new Error('EIO'), { code: 'EIO', errno: -5 });
    };
    const refused = await client.ask({ kind: 'mkdir', path: at('d/x'), mode: 0o755 });
    assert.equal('errno' in refused && refused.errno, 'EIO');
    assert.deepEqual((await kinds()).slice(-2), ['mkdir', 'suspect']);
    assert.equal(host.up.store.replica.isComplete, true);
  });

  it('that write faster than the disk takes it are paused, and go on', async () => {
    const waiting: (() => void)[] = [];
    const slow = (call: (fd: number) => Promise<void>) => async (fd: number) => {
      await new Promise<void>((resolve) => waiting.push(resolve));
      await call(fd);
    };
    await start({
      flushCalls: { fsync: slow(diskCalls.fsync), fdatasync: slow(diskCalls.fdatasync) },
      flushLimits: { ...host.options.flushLimits, maxFileBytes: 100_000, portionBytes: 50_000 },
    });
    const handle = await client.open('a');
    await client.ask({ kind: 'write', handle, offset: 0, data: Buffer.alloc(120_000, 1) });
    assert.equal(client.isPaused, true);
    while (client.isPaused) {
      waiting.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
    const draining = setInterval(() => waiting.shift()?.(), 1);
    await client.ask({ kind: 'close', handle });
    await host.stop();
    clearInterval(draining);
  });
});
