import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pageOf } from '../../../../replicator/core/answers.ts';
import { emptyReplica, Replica } from '../../../../replicator/core/replica.ts';
import type { Found } from '../../../../replicator/core/tree.ts';
import { VirtualDisk } from '../../../sim/engine/disk.ts';

function fileAt(disk: VirtualDisk, path: string): Extract<Found, { kind: 'file' }> {
  const found = disk.find(path);
  assert.ok(found?.kind === 'file', path);
  return found;
}

function fileAnswer(size: number, names: string[] = []) {
  return { kind: 'file' as const, mode: 0o644, size, names, handles: [], times: noTimes };
}

const noTimes = { accessedAtUs: 0, modifiedAtUs: 0 };

describe('a replica', () => {
  it('asks for content first, and for no more names while many files lack some', () => {
    const disk = new VirtualDisk();
    // Looking for names is slow in the model.
    const paths = new Map<bigint, string>();
    disk.nameOf = (inode) => paths.get(inode) ?? null;
    disk.namesOf = (inode) => [paths.get(inode) ?? ''];
    const replica = new Replica(disk, {
      doubts: { names: [{ path: '', scope: 'tree' }], missing: [] },
      handles: [],
    });
    const names = Array.from({ length: 6000 }, (_, index) => `f${String(index).padStart(5, '0')}`);
    replica.onEntries('', { after: null, names, upTo: 'f05999' });
    for (const [index, name] of names.entries()) {
      const wants = index % 500 === 0 ? replica.wants().toArray() : [];
      const asked = wants.filter(({ kind }) => kind !== 'content').length;
      if (index % 500 === 0) assert.equal(asked > 0, index < 4096, `${index} files`);
      if (index === 4500) break;
      replica.onName(1, name, fileAnswer(10));
      paths.set(fileAt(disk, name).inode, name);
    }
    const [first] = replica.wants();
    assert.equal(first?.kind, 'content');
  });

  it('has files take turns', () => {
    const disk = new VirtualDisk();
    const replica = new Replica(disk);
    for (const name of ['a', 'b', 'c']) {
      replica.doubt(name, 'name');
      replica.onName(1, name, fileAnswer(10));
    }
    const first = () => replica.wants().next().value?.path;
    const asked: (string | undefined)[] = [];
    for (let turn = 0; turn < 6; turn++) {
      const path = first() ?? '';
      asked.push(path);
      const inode = replica.onOpened(path) ?? 0n;
      replica.onContent(inode, 1, 5 * Math.floor(turn / 3), Buffer.alloc(5));
    }
    assert.deepEqual(asked, ['a', 'b', 'c', 'a', 'b', 'c']);
    assert.equal(replica.isComplete, true);
  });

  it('says whether it is complete by few look-ups, however many files lack something', () => {
    const disk = new VirtualDisk();
    const named = new Set<bigint>();
    const inodes = Array.from({ length: 1000 }, (_, index) => BigInt(index + 1));
    let lookUps = 0;
    disk.nameOf = (inode) => {
      lookUps += 1;
      return named.has(inode) ? `f${inode}` : null;
    };
    const ranges = [{ from: 0, to: 10, since: 1 }];
    const names = [{ path: 'd', scope: 'name' as const }];
    const missing = inodes.map((inode) => ({ inode, ranges }));
    const replica = new Replica(disk, { doubts: { names, missing }, handles: [] });
    const lookUpsToSay = (expected: boolean): number => {
      lookUps = 0;
      assert.equal(replica.isComplete, expected);
      return lookUps;
    };
    assert.equal(lookUpsToSay(false), 0, 'a name is doubted');
    replica.onName(1, 'd', { kind: 'absent' });
    for (const inode of inodes.slice(10)) named.add(inode);
    assert.equal(lookUpsToSay(false), 11, 'up to the first file with a name');
    assert.equal(lookUpsToSay(false), 1, 'those without were dropped');
    named.clear();
    assert.equal(lookUpsToSay(true), 990, 'none has a name any more');
    assert.equal(lookUpsToSay(true), 0);
  });

  it('reads its own directory once for all pages of it', () => {
    const disk = new VirtualDisk();
    const own = Array.from({ length: 50 }, (_, index) => `n${10 + index}`);
    for (const name of own) disk.make(name, { kind: 'directory', mode: 0o755 });
    let reads = 0;
    const entries = disk.entries.bind(disk);
    disk.entries = (path) => {
      if (path === '') reads += 1;
      return entries(path);
    };
    const replica = new Replica(disk, emptyReplica);
    replica.doubt('', 'entries');
    const theirs = own.filter((_, index) => index % 3 !== 0).concat('o');
    for (let after: string | null = null, isLast = false; !isLast; ) {
      const [want] = replica.wants().filter(({ kind }) => kind === 'entries');
      assert.deepEqual(want, { kind: 'entries', path: '', after });
      const page = pageOf(theirs, after, 7);
      replica.onEntries('', page);
      after = page.upTo;
      isLast = after === null;
    }
    assert.equal(reads, 1);
    assert.deepEqual(
      entries('').sort(),
      theirs.filter((name) => name !== 'o'),
    );
    assert.equal(
      replica
        .wants()
        .filter(({ kind }) => kind === 'name')
        .toArray().length,
      theirs.length,
    );
  });

  it('takes no page that does not go on where what it knows ends', () => {
    const disk = new VirtualDisk();
    for (const name of ['a', 'm', 'z']) disk.make(name, { kind: 'directory', mode: 0o755 });
    const replica = new Replica(disk);
    replica.doubt('', 'entries');
    replica.onEntries('', { after: null, names: [], upTo: 'c' });
    assert.equal(disk.find('a'), null);
    // Doubted anew: what came before the next page is unknown again.
    replica.doubt('', 'entries');
    replica.onEntries('', { after: 'c', names: [], upTo: null });
    assert.ok(disk.find('m') !== null && disk.find('z') !== null);
    assert.equal(replica.isComplete, false);
  });

  it('applies records to names of a directory that are known already, and doubts the others', () => {
    const disk = new VirtualDisk();
    disk.make('a', { kind: 'directory', mode: 0o755 });
    const replica = new Replica(disk);
    replica.doubt('', 'entries');
    replica.onEntries('', { after: null, names: [], upTo: 'm' });
    replica.consume(1, { kind: 'mkdir', path: Buffer.from('b'), mode: 0o700 }, null);
    replica.consume(2, { kind: 'mkdir', path: Buffer.from('x'), mode: 0o700 }, null);
    assert.equal(disk.find('b')?.kind, 'directory');
    assert.equal(disk.find('x'), null);
    assert.equal(replica.isCertain('b'), true);
    replica.onEntries('', { after: 'm', names: ['x'], upTo: null });
    assert.deepEqual(replica.wants().toArray(), [{ kind: 'name', path: 'x' }]);
  });

  it('finds a linked file by its other name, also when that becomes known later', () => {
    const disk = new VirtualDisk();
    disk.make('z', { kind: 'directory', mode: 0o755 });
    const inode = disk.make('z/z', { kind: 'file', mode: 0o644 });
    disk.write(inode, 0, Buffer.from('abc'));
    const replica = new Replica(disk);
    replica.doubt('z', 'name');
    replica.doubt('d', 'name');
    replica.onName(1, 'd', fileAnswer(3, ['z/z', 'd']));
    replica.onName(1, 'z', { kind: 'directory', mode: 0o755 });
    assert.equal(replica.isCertain('z/z'), false, 'which file it is, is open');
    replica.onName(1, 'z/z', fileAnswer(3, ['z/z', 'd']));
    assert.equal(fileAt(disk, 'z/z').inode, fileAt(disk, 'd').inode);
  });

  it('doubts a file that was open when it takes back records, or everything when it was not known which file that was', () => {
    const disk = new VirtualDisk();
    const inode = disk.make('f', { kind: 'file', mode: 0o644 });
    disk.make('g', { kind: 'file', mode: 0o644 });
    const replica = new Replica(disk);
    const own = (handle: number) => ({ kind: 'write', handle, offset: 0, length: 1 }) as const;
    const handles = new Map([
      [1, { inode, path: null }],
      [2, { inode: null, path: 'f' }],
    ]);
    replica.doubtOwn(own(3), handles);
    assert.equal(replica.isComplete, true, 'it was opened later');
    replica.doubtOwn(own(1), handles);
    replica.forgetAfter(0, [{ handle: 1, inode, path: null }]);
    assert.deepEqual([replica.isCertain('f'), replica.isCertain('g')], [false, true]);
    replica.doubtOwn(own(2), handles);
    assert.equal(replica.isCertain('g'), false);
  });

  it('fetches what a comparison found different, and nothing else', () => {
    const disk = new VirtualDisk();
    const inode = disk.make('f', { kind: 'file', mode: 0o644 });
    disk.write(inode, 0, Buffer.alloc(10, 1));
    const replica = new Replica(disk, emptyReplica, () => {}, 1);
    replica.doubt('f', 'name');
    replica.onName(5, 'f', fileAnswer(10));
    assert.deepEqual(replica.wants().toArray(), [{ kind: 'digest', path: 'f', from: 0, to: 10 }]);
    replica.onSame(inode, 4, 0, 10);
    assert.equal(replica.missingOf(inode).length, 1, 'compared before it was missing');
    replica.onSame(inode, 5, 0, 4);
    replica.onDifferent(inode, 4, 8);
    replica.onSame(inode, 5, 8, 10);
    assert.deepEqual(replica.wants().toArray(), [{ kind: 'content', path: 'f', from: 4, to: 8 }]);
  });
});
