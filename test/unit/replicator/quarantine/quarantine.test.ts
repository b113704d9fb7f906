import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { readRecord } from '../../../../replicator/quarantine/record.ts';
import { fsyncs } from '../../fsyncs.ts';
import { TestQuarantine } from './parts.ts';

describe('putting aside', () => {
  let test: TestQuarantine;
  beforeEach(() => {
    test = new TestQuarantine();
  });
  afterEach(() => test.end());
  const kept = () => readdirSync(test.quarantine.folder).sort();
  const recordOf = (name: string) => readRecord(join(test.quarantine.folder, name));

  it('leaves a record beside each thing: what, when, by whom, why', () => {
    mkdirSync(test.own('d'));
    writeFileSync(test.own('d/file'), 'text');
    const at = new Date(test.wallMs);
    test.aside('d/file', 'differs');
    assert.deepEqual(kept(), ['000001-file', '000001.json']);
    assert.deepEqual(recordOf('000001.json'), {
      path: Buffer.from('d/file'),
      at,
      ...{ epoch: 7, leader: 'b', reason: 'differs', type: 'file', bytes: 4, acknowledged: null },
    });
    assert.equal(statSync(join(test.quarantine.folder, '000001.json')).mode & 0o777, 0o600);
    assert.equal(existsSync(test.own('d/file')), false);
    assert.equal(test.moved, 1);
  });

  it('keeps names of any bytes and of any length, and what has the same name twice', () => {
    const odd = Buffer.from([0x61, 0xff, 0x0a, 0x1b]);
    writeFileSync(Buffer.concat([Buffer.from(`${test.tree.root}/`), odd]), '1');
    writeFileSync(test.own('n'.repeat(255)), '2');
    test.aside(odd);
    test.aside('n'.repeat(255));
    for (const content of ['first', 'second']) {
      writeFileSync(test.own('again'), content);
      test.aside('again');
    }
    assert.deepEqual(recordOf('000001.json')?.path, odd);
    assert.equal(recordOf('000002.json')?.path.length, 255);
    assert.equal(readFileSync(join(test.quarantine.folder, '000003-again'), 'utf8'), 'first');
    assert.equal(readFileSync(join(test.quarantine.folder, '000004-again'), 'utf8'), 'second');
  });

  it('goes on without a record when the disk is too full for one', () => {
    writeFileSync(test.own('file'), 'text');
    fsyncs.onSync = (path) => {
      fsyncs.failure = path.endsWith('.json') ? { folder: '/', code: 'ENOSPC' } : null;
    };
    try {
      test.aside('file');
    } finally {
      fsyncs.reset();
    }
    assert.deepEqual(kept(), ['000001-file']);
  });

  it('fails when the folder is removed under its hands: what is there is not to be replaced', () => {
    writeFileSync(test.own('file'), 'the last copy');
    fsyncs.onSync = (path) => {
      if (path.endsWith('.json')) rmSync(test.quarantine.folder, { recursive: true });
    };
    try {
      assert.throws(() => test.aside('file'), { code: 'ENOENT' });
    } finally {
      fsyncs.reset();
    }
    assert.equal(readFileSync(test.own('file'), 'utf8'), 'the last copy');
  });

  it('fails, with nothing moved, when the record cannot be written for another reason', () => {
    writeFileSync(test.own('file'), 'text');
    fsyncs.failure = { folder: '/', code: 'EIO' };
    try {
      assert.throws(() => test.aside('file'), /EIO/);
    } finally {
      fsyncs.reset();
    }
    assert.equal(existsSync(test.own('file')), true);
  });

  it('leaves no record of what cannot be moved', () => {
    assert.throws(() => test.aside(''));
    assert.deepEqual(kept(), []);
  });

  it('goes on counting where an earlier process of the same moment stopped', () => {
    test.wallMs = 0;
    test.quarantine = test.newQuarantine();
    writeFileSync(test.own('a'), 'a');
    test.aside('a');
    test.wallMs = 0;
    test.quarantine = test.newQuarantine();
    writeFileSync(test.own('a'), 'b');
    test.aside('a');
    assert.deepEqual(
      kept().filter((name) => name.endsWith('a')),
      ['000001-a', '000002-a'],
    );
  });

  it('moves a link and not what it leads to', () => {
    writeFileSync(join(test.base, 'outside'), 'not ours');
    symlinkSync(join(test.base, 'outside'), test.own('link'));
    test.aside('link');
    assert.equal(recordOf('000001.json')?.type, 'link');
    assert.equal(readFileSync(join(test.base, 'outside'), 'utf8'), 'not ours');
  });
});

describe('a record', () => {
  let test: TestQuarantine;
  beforeEach(() => {
    test = new TestQuarantine();
    writeFileSync(test.own('file'), 'text');
    test.aside('file');
  });
  afterEach(() => test.end());
  const file = () => join(test.quarantine.folder, '000001.json');
  const good = () => JSON.parse(readFileSync(file(), 'utf8'));
  const base64 = (text: string) => Buffer.from(text).toString('base64');

  for (const [what, change] of [
    ['a path out of the root', { pathBase64: base64('../../etc/passwd') }],
    ['an absolute path', { pathBase64: base64('/etc/passwd') }],
    ['a path with NUL', { pathBase64: base64('a\0b') }],
    ['no time', { at: 'yesterday' }],
    ['a negative epoch', { epoch: -1 }],
    ['a leader of a megabyte', { leader: 'x'.repeat(1_000_000) }],
    ['another format', { format: 2 }],
  ] as const) {
    it(`with ${what} is none`, () => {
      writeFileSync(file(), JSON.stringify({ ...good(), ...change }));
      assert.equal(readRecord(file()), null);
    });
  }

  it('that is no JSON, half of one, a folder or a link is none', () => {
    const text = readFileSync(file(), 'utf8');
    assert.notEqual(readRecord(file()), null);
    writeFileSync(file(), text.slice(0, 40));
    assert.equal(readRecord(file()), null);
    const elsewhere = join(test.base, 'record');
    writeFileSync(elsewhere, text);
    symlinkSync(elsewhere, `${file()}.link`);
    assert.notEqual(readRecord(elsewhere), null);
    assert.equal(readRecord(`${file()}.link`), null);
    assert.equal(readRecord(test.quarantine.folder), null);
  });

  it('that cannot be read leaves the thing in the list, as not recorded', async () => {
    writeFileSync(file(), 'garbage');
    utimesSync(file(), 1, 1);
    await test.look();
    const [entry] = test.list();
    assert.deepEqual([entry?.reason, entry?.epoch, entry?.leader, entry?.bytes], ['unknown', null, null, 4]);
    assert.match(String(entry?.path), /^aside-7-.*\/000001-file$/);
  });
});
