/** What a catch-up has on disk before this host counts as having it (G3). */
import '../../fsyncs.ts';
import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { DirtyPath, ToFollower, ToLeader } from '../../../../replicator/protocol/message.ts';
import { Quarantine, stagingRoot } from '../../../../replicator/quarantine/quarantine.ts';
import { Applier } from '../../../../replicator/replica/apply.ts';
import { CatchUp } from '../../../../replicator/replica/catch-up.ts';
import { FileClient } from '../../../../replicator/replica/file-client.ts';
import { RemovalGate } from '../../../../replicator/replica/removal-gate.ts';
import { Scrub } from '../../../../replicator/replica/scrub.ts';
import { Staging } from '../../../../replicator/replica/staging.ts';
import { syncFileSystem } from '../../../../replicator/replica/sync-file-system.ts';
import { TreeChange } from '../../../../replicator/replica/tree-change.ts';
import { answerFileRequest } from '../../../../replicator/source/file-server.ts';
import { Tree } from '../../../../replicator/tree/tree.ts';
import { fsyncs } from '../../fsyncs.ts';
import { until } from '../../until.ts';

const quiet = { warn: () => {}, error: () => {} } as never;
const everything: DirtyPath[] = [{ path: '', ranges: null }];

describe('on disk before a catch-up is over', { timeout: 20_000 }, () => {
  let base: string;
  let catchUp: CatchUp;
  let closing: AbortController;
  /** How often the next round was asked for, which says that the one before is done. */
  let asked: number;
  let syncsFileSystem: () => Promise<void>;
  const leader = (name: string) => join(base, 'leader', name);
  const own = (name: string) => join(base, 'own', name);

  beforeEach(() => {
    base = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-sync-')));
    for (const name of ['leader', 'own', 'quarantine']) mkdirSync(join(base, name));
    asked = 0;
    syncsFileSystem = () => Promise.resolve();
    fsyncs.reset();
  });
  afterEach(() => {
    closing.abort(new Error('the test is over'));
    fsyncs.reset();
    rmSync(base, { recursive: true });
  });

  /** As of a connection: the leader's tree is a folder beside. */
  function connect() {
    closing = new AbortController();
    const leaderTree = new Tree(join(base, 'leader'));
    const client = new FileClient((request: ToLeader) => {
      if (request.type !== 'list' && request.type !== 'digest' && request.type !== 'read') return;
      void answerFileRequest(leaderTree, request, {
        send: (message: ToFollower) => {
          client.onAnswer(message as never);
          return true;
        },
        sendData: (id, offset, data) => {
          client.onAnswer({ type: 'data', id, offset, data });
          return true;
        },
        drained: () => Promise.resolve(),
        closed: closing.signal,
      });
    }, closing.signal);
    const tree = new Tree(join(base, 'own'));
    const staging = new Staging(stagingRoot(join(base, 'quarantine')));
    const log = { warn: () => {} };
    const quarantine = new Quarantine({
      ...{ root: join(base, 'quarantine'), epoch: 5, leader: 'one', log: log as never },
      wallClock: () => new Date(0),
      onMoved: () => {},
    });
    return {
      tree,
      staging,
      client,
      change: new TreeChange(tree, staging, quarantine, () => syncsFileSystem()),
    };
  }

  function run(): Promise<void> {
    const parts = connect();
    catchUp = new CatchUp({
      ...parts,
      applier: new Applier(parts.tree),
      removals: new RemovalGate(1, quiet, () => {}),
      leader: 'one',
      firstProof: 'metadata',
      syncFileSystem: () => syncsFileSystem(),
      next: () => {
        asked += 1;
      },
      closed: closing.signal,
    });
    return catchUp.run();
  }

  async function round(dirty: DirtyPath[], first: boolean): Promise<void> {
    const before = asked;
    catchUp.onRound({ type: 'round', epoch: 1, first, dirty, final: null });
    await until(() => asked > before);
  }

  const quarantined = () => fsyncs.paths.filter((path) => path.includes('/quarantine/aside-5-'));
  const inTree = () => fsyncs.paths.filter((path) => path.startsWith(join(base, 'own')));

  it('are files, before they appear, and their folders after that', async () => {
    mkdirSync(leader('d'));
    writeFileSync(leader('d/new'), 'text');
    symlinkSync('new', leader('d/link'));
    void run();
    await until(() => asked === 1);
    fsyncs.hold();
    catchUp.onRound({ type: 'round', epoch: 1, first: true, dirty: everything, final: null });
    await until(() => fsyncs.waiting.length > 0);
    await delay(10);
    assert.equal(fsyncs.waiting.length, 1);
    assert.match(String(fsyncs.waiting[0]), /\.staging\/1$/);
    assert.equal(existsSync(own('d/new')), false, 'it appeared before it was on disk');
    const seen: string[] = [];
    fsyncs.onSync = (path) => {
      if (path === own('d')) seen.push(readFileSync(own('d/new'), 'utf8'));
    };
    fsyncs.release();
    fsyncs.hold();
    for (let folders = 0; folders < 2; folders++) {
      await until(() => fsyncs.waiting.length > 0);
      await delay(10);
      assert.equal(asked, 1, 'the round was told to be done');
      fsyncs.release();
      fsyncs.hold();
    }
    fsyncs.release();
    await until(() => asked === 2);
    assert.deepEqual(inTree(), [join(base, 'own'), own('d')]);
    assert.deepEqual(seen, ['text']);
  });

  it('are modes and dates of what has the right content', async () => {
    for (const at of [leader, own]) {
      mkdirSync(at('d'));
      writeFileSync(at('d/f'), 'text');
      utimesSync(at('d/f'), 1000, 1000);
      mkdirSync(at('d/folder'), { mode: 0o700 });
    }
    chmodSync(leader('d/f'), 0o604);
    chmodSync(leader('d/folder'), 0o755);
    void run();
    await until(() => asked === 1);
    await round(everything, true);
    assert.deepEqual(inTree(), [own('d/f'), own('d/folder')]);
  });

  it('are many of them by one sync of the file system', async () => {
    for (let number = 0; number < 65; number++) {
      for (const at of [leader, own]) {
        writeFileSync(at(`${number}`), 'text');
        utimesSync(at(`${number}`), 1000, 1000);
      }
      chmodSync(leader(`${number}`), 0o604);
    }
    void run();
    await until(() => asked === 1);
    let synced: (() => void) | null = null;
    syncsFileSystem = () =>
      new Promise((resolve) => {
        synced = resolve;
      });
    catchUp.onRound({ type: 'round', epoch: 1, first: true, dirty: everything, final: null });
    await until(() => synced !== null);
    await delay(10);
    assert.equal(asked, 1, 'the round was told to be done');
    (synced as unknown as () => void)();
    await until(() => asked === 2);
    assert.deepEqual(inTree(), []);
  });

  it('are the times of patched files, which they have when the leader streams, or no last round named them', async () => {
    const parts = (name: string): DirtyPath => ({ path: name, ranges: [[0, 1]] });
    const secondsOf = (name: string) => statSync(own(name)).mtimeMs / 1000;
    for (const name of ['f', 'g']) {
      for (const at of [leader, own]) writeFileSync(at(name), 'text');
      utimesSync(leader(name), 1000, 1000);
    }
    const over = run();
    await until(() => asked === 1);
    await round([parts('f'), parts('g')], false);
    const before = asked;
    const final = { sequence: 1, handles: [] };
    catchUp.onRound({ type: 'round', epoch: 1, first: false, dirty: [parts('g')], final });
    await until(() => asked > before);
    assert.equal(secondsOf('f'), 1000);
    assert.notEqual(secondsOf('g'), 1000);
    fsyncs.reset();
    catchUp.finish();
    assert.equal(secondsOf('g'), 1000);
    catchUp.stop(new Error('the catch-up is complete'));
    await over;
    assert.deepEqual(inTree(), [own('f'), own('g')]);
  });

  it('are ranges of files, and that names are gone', async () => {
    for (const at of [leader, own]) {
      mkdirSync(at('d'));
      writeFileSync(at('d/f'), 'text');
      utimesSync(at('d/f'), 1000, 1000);
    }
    writeFileSync(own('d/gone'), 'text');
    void run();
    await until(() => asked === 1);
    await round([{ path: 'd/gone', ranges: null }], false);
    assert.deepEqual(inTree(), [own('d')]);
    fsyncs.done.length = 0;
    writeFileSync(leader('d/f'), 'next');
    await round([{ path: 'd/f', ranges: [[0, 4]] as never }], false);
    assert.deepEqual(inTree(), [own('d/f')]);
  });

  it('is what goes to quarantine, its record before it', async () => {
    mkdirSync(own('d'));
    mkdirSync(leader('d'));
    writeFileSync(own('d/mine'), 'text');
    void run();
    await until(() => asked === 1);
    await round(everything, true);
    assert.deepEqual(inTree(), [own('d')]);
    const [batch, record] = quarantined();
    assert.match(String(record), /\/000001\.json$/);
    assert.ok(fsyncs.done.indexOf(String(record)) < fsyncs.done.lastIndexOf(String(batch)));
    assert.ok(fsyncs.done.includes(join(base, 'quarantine')));
  });

  it('is what was found to be equal: an earlier process may never have synced it', async () => {
    let synced = () => {};
    syncsFileSystem = () =>
      new Promise((resolve) => {
        synced = resolve;
      });
    void run();
    await until(() => asked === 1);
    catchUp.onRound({ type: 'round', epoch: 1, first: true, dirty: everything, final: null });
    await delay(20);
    assert.equal(asked, 1, 'the round was told to be done');
    synced();
    await until(() => asked === 2);
  });

  for (const [what, breakIt] of [
    ['an fsync', () => (fsyncs.error = 'EIO')],
    ['the sync of the file system', () => (syncsFileSystem = () => Promise.reject(new Error('EIO')))],
  ] as const) {
    it(`is nothing when ${what} fails: the catch-up fails`, async () => {
      writeFileSync(leader('new'), 'text');
      breakIt();
      const failed = assert.rejects(run(), /EIO/);
      await until(() => asked === 1);
      catchUp.onRound({ type: 'round', epoch: 1, first: true, dirty: everything, final: null });
      await failed;
      assert.equal(asked, 1);
    });
  }

  it('is what a comparison repaired, before the leader goes on', async () => {
    mkdirSync(leader('d'));
    writeFileSync(leader('d/f'), 'text');
    mkdirSync(own('d'));
    let done = 0;
    const scrub = new Scrub({
      ...connect(),
      removals: new RemovalGate(1, quiet, () => {}),
      leader: 'one',
      log: { warn: () => {} } as never,
      signal: closing.signal,
      ask: (paths) => {
        // What is fetched is on disk before mutations are held for it.
        assert.match(fsyncs.done.join(), /\.staging\/1$/);
        fsyncs.hold();
        return Promise.resolve(new Set(paths));
      },
      done: () => {
        done += 1;
      },
    });
    const running = scrub.run();
    await until(() => fsyncs.waiting.length > 0);
    await delay(10);
    assert.equal(done, 0);
    fsyncs.release();
    assert.deepEqual(await running, { differences: 1, repaired: 1 });
    assert.equal(done, 1);
    assert.deepEqual(inTree(), [own('d')]);
  });

  it('is the whole file system of the tree, by a program that says when it cannot', async () => {
    closing = new AbortController();
    await syncFileSystem(join(base, 'own'), closing.signal);
    await assert.rejects(syncFileSystem(join(base, 'none'), closing.signal), /No such file/);
  });
});
