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

  for (const isBelieved of [true, false])
    it(`writes ${isBelieved ? 'nothing' : 'all'} where what lies there is the same and ${isBelieved ? '' : 'not '}believed`, () => {
      const disk = new VirtualDisk();
      const data = Buffer.from('content');
      disk.write(disk.make('f', { kind: 'file', mode: 0o644 }), 0, data);
      const changes: string[] = [];
      disk.beforeChange = () => changes.push('a change');
      const compared = isBelieved ? undefined : Number.POSITIVE_INFINITY;
      const replica = new Replica(disk, emptyReplica, () => {}, compared);
      replica.doubt('f', 'tree');
      replica.onName(1, 'f', fileAnswer(data.length));
      replica.onContent(replica.onOpened('f') ?? 0n, 1, 0, data);
      assert.ok(replica.isComplete);
      assert.equal(changes.length, isBelieved ? 0 : 2);
    });

  it('writes what differs in a file that has the same size', () => {
    const disk = new VirtualDisk();
    disk.write(disk.make('f', { kind: 'file', mode: 0o644 }), 0, Buffer.from('another'));
    const replica = new Replica(disk);
    replica.doubt('f', 'tree');
    replica.onName(1, 'f', fileAnswer(7));
    replica.onContent(replica.onOpened('f') ?? 0n, 1, 0, Buffer.from('content'));
    assert.equal(Buffer.from(disk.read(fileAt(disk, 'f').inode, 0, 7)).toString(), 'content');
  });

  it('gives a file that is found by its handle the attributes, whatever lay at the name', () => {
    const disk = new VirtualDisk();
    disk.write(disk.make('f', { kind: 'file', mode: 0o644 }), 0, Buffer.from('12345'));
    const open = disk.make('g', { kind: 'file', mode: 0o600 });
    const replica = new Replica(disk, {
      doubts: { names: [{ path: 'f', scope: 'name' }], missing: [] },
      handles: [{ handle: 1, inode: open, path: 'g' }],
    });
    replica.onName(1, 'f', { ...fileAnswer(5), handles: [1] });
    assert.deepEqual(
      [fileAt(disk, 'f').inode, fileAt(disk, 'f').mode, fileAt(disk, 'f').size],
      [open, 0o644, 5],
    );
  });

  it('does not look for the name of each file that lacks something to say that it is not complete', () => {
    const disk = new VirtualDisk();
    const replica = new Replica(disk);
    for (let file = 0; file < 1000; file++) {
      replica.doubt(`f${file}`, 'name');
      replica.onName(1, `f${file}`, fileAnswer(10));
    }
    let looked = 0;
    const nameOf = disk.nameOf.bind(disk);
    disk.nameOf = (inode) => {
      looked += 1;
      return nameOf(inode);
    };
    assert.equal(replica.isComplete, false);
    assert.ok(looked < 100, `${looked}`);
  });

  it('asks for what is in a directory before it lists the next ones', () => {
    const disk = new VirtualDisk();
    const replica = new Replica(disk, {
      doubts: { names: [{ path: '', scope: 'tree' }], missing: [] },
      handles: [],
    });
    for (const name of ['d', 'e']) disk.make(name, { kind: 'directory', mode: 0o755 });
    replica.onEntries('', { after: null, names: ['d', 'e'], upTo: null });
    for (const name of ['d', 'e']) replica.onName(1, name, { kind: 'directory', mode: 0o755 });
    replica.onEntries('d', { after: null, names: ['f', 'g'], upTo: null });
    assert.deepEqual(
      replica
        .wants()
        .toArray()
        .map(({ kind, path }) => `${kind} ${path}`),
      ['name d/f', 'name d/g', 'entries e'],
    );
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
