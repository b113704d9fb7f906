import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { DirtyPath, ToFollower, ToLeader } from '../../../../replicator/protocol/message.ts';
import { Quarantine, stagingRoot } from '../../../../replicator/quarantine/quarantine.ts';
import { FileClient } from '../../../../replicator/replica/file-client.ts';
import { RemovalGate } from '../../../../replicator/replica/removal-gate.ts';
import { Staging } from '../../../../replicator/replica/staging.ts';
import { TreeChange } from '../../../../replicator/replica/tree-change.ts';
import { TreeSync } from '../../../../replicator/replica/tree-sync.ts';
import { answerFileRequest } from '../../../../replicator/source/file-server.ts';
import { Tree } from '../../../../replicator/tree/tree.ts';

const everything: DirtyPath[] = [{ path: '', ranges: null }];
const seconds = 1_600_000_000;

describe('making a tree equal to the leader’s', () => {
  let base: string;
  let asked: string[];
  let moved: number;
  /** Makes the leader fail at a request. */
  let failAt: string;
  const leader = (name: string) => join(base, 'leader', name);
  const own = (name: string) => join(base, 'own', name);
  const put = (path: string, content: string) => {
    writeFileSync(path, content);
    utimesSync(path, seconds, seconds);
  };

  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'holdfast-sync-'));
    for (const name of ['leader', 'own', 'quarantine']) mkdirSync(join(base, name));
    asked = [];
    moved = 0;
    failAt = '';
  });
  afterEach(() => rmSync(base, { recursive: true }));

  const quiet = { warn: () => {}, error: () => {} } as never;
  const gate = () => new RemovalGate(0.2, quiet, () => {});

  /** A follower of its own, as after a new connection. */
  function begin() {
    const closing = new AbortController();
    const leaderTree = new Tree(join(base, 'leader'));
    const client = new FileClient((request: ToLeader) => {
      if (request.type !== 'list' && request.type !== 'digest' && request.type !== 'read') return;
      asked.push(`${request.type} ${request.path}`);
      if (asked.at(-1) === failAt) return closing.abort(new Error('the leader is gone'));
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
    const log = { warn: () => {} };
    const quarantine = new Quarantine({
      ...{ root: join(base, 'quarantine'), epoch: 5, leader: 'one', log: log as never },
      wallClock: () => new Date(0),
      onMoved: () => {
        moved += 1;
      },
    });
    const tree = new Tree(join(base, 'own'));
    const staging = new Staging(stagingRoot(join(base, 'quarantine')));
    const change = new TreeChange(tree, staging, quarantine);
    const sync = new TreeSync(tree, client, staging, change, closing.signal);
    return { tree, change, sync, signal: closing.signal };
  }

  async function round(dirty = everything, { first = true, removals = gate() } = {}): Promise<void> {
    const { tree, change, sync, signal } = begin();
    change.keepsOld = first;
    if (!first) return await sync.round(dirty, 'content');
    await sync.round(dirty, 'metadata', await removals.begin(tree, 'one', signal));
  }

  it('asks for nothing that metadata proves equal, and for digests before it transfers', async () => {
    put(leader('same'), 'same');
    put(own('same'), 'same');
    put(leader('touched'), 'equal');
    put(own('touched'), 'equal');
    utimesSync(own('touched'), 1, 1);
    await round();
    assert.deepEqual(asked, ['list ', 'digest touched']);
    assert.equal(statSync(own('touched')).mtimeMs, seconds * 1000);
    assert.equal(moved, 0);
  });

  it('brings names that are not text, modes, links and directories', async () => {
    const name = Buffer.from([0x61, 0xff, 0x0a]);
    writeFileSync(Buffer.concat([Buffer.from(`${leader('')}/`), name]), 'bytes');
    mkdirSync(leader('d/e'), { recursive: true, mode: 0o751 });
    writeFileSync(leader('d/e/f'), '', { mode: 0o600 });
    symlinkSync('/nowhere', leader('d/l'));
    await round();
    assert.deepEqual(readdirSync(own(''), { encoding: 'buffer' }).sort(Buffer.compare), [
      name,
      Buffer.from('d'),
    ]);
    assert.equal(statSync(own('d/e')).mode, statSync(leader('d/e')).mode);
    assert.equal(statSync(own('d/e/f')).mode & 0o777, 0o600);
    assert.deepEqual(readdirSync(own('d')).sort(), ['e', 'l']);
  });

  it('keeps what it replaces or takes away in the first round, and not in later ones', async () => {
    put(leader('changed'), 'new one');
    put(own('changed'), 'old');
    mkdirSync(own('only-here'));
    put(own('only-here/file'), 'mine');
    put(leader('was-directory'), 'a file now');
    mkdirSync(own('was-directory'));
    await round();
    const kept = join(base, 'quarantine/aside-5-1970-01-01T000000.000Z');
    const keptAs = (name: string) => {
      const number = readdirSync(kept)
        .find((one) => one.endsWith(`-${name}`))
        ?.slice(0, 6);
      const { reason } = JSON.parse(readFileSync(join(kept, `${number}.json`), 'utf8'));
      return { reason, at: join(kept, `${number}-${name}`) };
    };
    assert.equal(keptAs('changed').reason, 'differs');
    assert.equal(readFileSync(keptAs('changed').at, 'utf8'), 'old');
    assert.equal(keptAs('only-here').reason, 'only-here');
    assert.equal(readFileSync(join(keptAs('only-here').at, 'file'), 'utf8'), 'mine');
    assert.equal(keptAs('was-directory').reason, 'differs');
    assert.equal(readFileSync(own('was-directory'), 'utf8'), 'a file now');
    assert.equal(moved, 3);
    rmSync(leader('changed'));
    await round([{ path: 'changed', ranges: null }], { first: false });
    assert.ok(!existsSync(own('changed')));
    assert.equal(moved, 3);
  });

  it('G5: a file that was renamed is there under one of its names whenever the round breaks off', async () => {
    put(own('a'), 'acknowledged');
    put(leader('b'), 'acknowledged');
    mkdirSync(leader('later'));
    failAt = 'list later';
    await assert.rejects(round(), /the leader is gone/);
    assert.equal(readFileSync(own('a'), 'utf8'), 'acknowledged');
    assert.equal(readFileSync(own('b'), 'utf8'), 'acknowledged');
  });

  it('takes nothing away when that would be much, but for what an operator accepted', async () => {
    const files = (count: number) => {
      mkdirSync(own('d'), { recursive: true });
      for (let number = 0; number < count; number++) put(own(`d/${number}`), 'x');
    };
    const isHeld = { code: 'RESYNC_REMOVES_MUCH' };
    const removals = gate();
    files(101);
    put(own('other'), 'x');
    put(leader('new'), 'new');
    await assert.rejects(round(everything, { removals }), isHeld);
    assert.deepEqual(removals.pending, { files: 102, of: 102, leader: 'one' });
    put(leader('d'), 'a file in its place');
    await assert.rejects(round(), isHeld);
    assert.equal(readdirSync(own('d')).length, 101);
    assert.equal(readFileSync(own('new'), 'utf8'), 'new', 'what is missing comes all the same');
    assert.equal(moved, 0);
    rmSync(own('d/100'));
    rmSync(own('other'));
    await round();
    assert.equal(readFileSync(own('d'), 'utf8'), 'a file in its place');
    rmSync(own('d'));
    files(150);
    removals.accept(50);
    await round(everything, { removals });
    assert.equal(readFileSync(own('d'), 'utf8'), 'a file in its place');
  });

  it('later rounds take no metadata for proof', async () => {
    put(leader('f'), 'abcd');
    put(own('f'), 'abXd');
    await round([{ path: 'f', ranges: null }], { first: false });
    assert.equal(readFileSync(own('f'), 'utf8'), 'abcd');
  });

  it('brings over the written parts alone, and the size', async () => {
    put(leader('f'), 'aaBBaaCC');
    put(own('f'), 'aabbaa and more');
    await round(
      [
        {
          path: 'f',
          ranges: [
            [2, 4],
            [6, null],
          ],
        },
      ],
      { first: false },
    );
    assert.equal(readFileSync(own('f'), 'utf8'), 'aaBBaaCC');
    assert.deepEqual(asked, ['read f']);
    put(leader('g'), 'new');
    await round([{ path: 'g', ranges: [[1, 2]] }], { first: false });
    assert.equal(readFileSync(own('g'), 'utf8'), 'new', 'without a base, the whole file');
  });

  describe('of which parts were written', () => {
    const part = (path: string, ...range: [number, number]): DirtyPath => ({ path, ranges: [range] });
    const secondsOf = (path: string) => statSync(path).mtimeMs / 1000;
    beforeEach(() => {
      put(leader('f'), 'aaBBcc');
      put(own('f'), 'aabbcc');
      put(leader('g'), 'xxYY');
      put(own('g'), 'xxyy');
    });

    it('G3: a catch-up that was broken off between two parts is not taken for complete by size and time', async () => {
      const { sync } = begin();
      put(leader('f'), 'aaBBCCdd');
      await sync.round([part('f', 2, 4)], 'content');
      await round();
      assert.equal(readFileSync(own('f'), 'utf8'), 'aaBBCCdd');
      assert.equal(secondsOf(own('f')), seconds);
    });

    it('G3: nor is one that was broken off in a part', async () => {
      const before = secondsOf(own('f'));
      failAt = 'read f';
      await assert.rejects(begin().sync.round([part('f', 2, 4)], 'content'), /the leader is gone/);
      failAt = '';
      assert.notEqual(secondsOf(own('f')), before);
      await round();
      assert.equal(readFileSync(own('f'), 'utf8'), 'aaBBcc');
    });

    it('G3: nor are two hosts equal by that time, of which one has to lead after both were broken off', async () => {
      await begin().sync.round([part('f', 2, 4)], 'content');
      put(leader('f'), 'others');
      const inDoubt = statSync(own('f')).mtime;
      utimesSync(leader('f'), inDoubt, inDoubt);
      await round();
      assert.equal(readFileSync(own('f'), 'utf8'), 'others');
    });

    it('has the leader’s time once no later round named it, and what the last one named when that is done', async () => {
      const { sync } = begin();
      await sync.round([part('f', 2, 4), part('g', 2, 4)], 'content');
      assert.notEqual(secondsOf(own('f')), seconds);
      utimesSync(leader('g'), 5, 5);
      await sync.round([part('g', 2, 4)], 'content');
      await sync.confirmPatchedBefore();
      assert.equal(secondsOf(own('f')), seconds);
      assert.notEqual(secondsOf(own('g')), 5);
      sync.confirmPatched();
      assert.equal(secondsOf(own('g')), 5);
    });

    it('has what a later round brought, under its new name', async () => {
      const { sync } = begin();
      await sync.round([part('f', 2, 4)], 'content');
      rmSync(leader('f'));
      put(leader('h'), 'another');
      const wholes = ['f', 'h'].map((path) => ({ path, ranges: null }));
      await sync.round(wholes, 'content');
      await sync.confirmPatchedBefore();
      sync.confirmPatched();
      assert.ok(!existsSync(own('f')));
      assert.equal(readFileSync(own('h'), 'utf8'), 'another');
    });
  });

  it('follows no link that a user left in the place of a directory', async () => {
    mkdirSync(join(base, 'outside'));
    mkdirSync(leader('d'));
    put(leader('d/f'), 'inside');
    symlinkSync(join(base, 'outside'), own('d'));
    await round();
    assert.deepEqual(readdirSync(join(base, 'outside')), []);
    assert.equal(readFileSync(own('d/f'), 'utf8'), 'inside');
  });

  it('lets others have a turn between two things that it sets aside', async () => {
    const [files, all] = [20, new RemovalGate(1, quiet, () => {})];
    for (let n = 0; n < files; n++) put(own(`f${n}`), 'only here');
    const seen = new Set<number>();
    let watching = setImmediate(function look() {
      seen.add(moved);
      watching = setImmediate(look);
    });
    try {
      await round(everything, { removals: all });
    } finally {
      clearImmediate(watching);
    }
    assert.equal(moved, files);
    assert.ok(seen.size >= files, `${seen.size} turns`);
  });
});
