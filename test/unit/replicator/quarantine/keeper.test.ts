import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { maxDiscardedAtOnce } from '#contracts/ipc/quarantine.ts';
import { dayMs, TestQuarantine } from './parts.ts';

const hourMs = 3_600_000;

describe('the keeper of the quarantine', () => {
  let test: TestQuarantine;
  beforeEach(() => {
    test = new TestQuarantine();
  });
  afterEach(() => test.end());

  const put = (name: string, content = 'text') => {
    writeFileSync(test.own(name), content);
    test.aside(name);
  };
  const paths = () => test.list().map(({ path }) => path);
  const idOf = (path: string) => test.list().find((entry) => entry.path === path)?.id ?? '';
  const dropped = () =>
    test.logged
      .filter(([, { code }]) => code === 'QUARANTINE_DROPPED')
      .map(([, { path, reason }]) => `${path}: ${reason}`);
  const discardIds = (...ids: string[]) =>
    test.ask({ kind: 'discard', selection: { kind: 'ids', ids }, dryRun: false, by: 'eve' });
  const discardedThere = () => readdirSync(join(test.root, '.discarded'));

  it('lists the newest first, with what the record and the thing tell', async () => {
    put('one', '1');
    mkdirSync(test.own('d/e'), { recursive: true });
    writeFileSync(test.own('d/e/f'), '12345');
    symlinkSync('/etc', test.own('d/l'));
    test.aside('d');
    await test.look();
    const [folder, file] = test.list();
    const common = { epoch: 7, leader: 'b', reason: 'only-here', acknowledged: null };
    assert.deepEqual(
      { ...folder, id: '', at: '' },
      { ...common, id: '', at: '', path: 'd', type: 'folder', bytes: 5, files: 4 },
    );
    assert.deepEqual([file?.path, file?.type, file?.bytes], ['one', 'file', 1]);
    assert.match(String(file?.id), /^[0-9a-f]{12}$/);
    const { entries, oldestAt, newestAt, isComplete } = test.keeper.summary();
    assert.deepEqual([entries, oldestAt, newestAt, isComplete], [2, file?.at, folder?.at, true]);
  });

  it('gives the same id after a restart, and after others went', async () => {
    put('one');
    put('two');
    await test.look();
    const before = idOf('two');
    discardIds(idOf('one'));
    test.keeper = test.newKeeper();
    await test.look();
    assert.equal(idOf('two'), before);
    assert.deepEqual(paths(), ['two']);
  });

  it('pages through all there is, each once, also when some go meanwhile', async () => {
    for (let n = 0; n < 10; n++) put(`f${n}`);
    await test.look();
    const first = test.ask({ kind: 'list', before: null, limit: 4 });
    assert.deepEqual(
      first.entries.map(({ path }) => path),
      ['f9', 'f8', 'f7', 'f6'],
    );
    discardIds(idOf('f6'), idOf('f4'));
    put('f10');
    await test.look();
    const second = test.ask({ kind: 'list', before: first.next, limit: 4 });
    assert.deepEqual(
      second.entries.map(({ path }) => path),
      ['f5', 'f3', 'f2', 'f1'],
    );
    const third = test.ask({ kind: 'list', before: second.next, limit: 4 });
    assert.deepEqual(
      third.entries.map(({ path }) => path),
      ['f0'],
    );
    assert.equal(third.next, null);
  });

  it('shows folders of earlier releases and what else lies there as one thing each', async () => {
    mkdirSync(join(test.root, '3-2026-11-20T031502.123Z/a'), { recursive: true });
    writeFileSync(join(test.root, '3-2026-11-20T031502.123Z/a/b'), '123');
    mkdirSync(join(test.root, '4-host-keys-0123456789ab'));
    writeFileSync(join(test.root, '-by-hand'), '');
    writeFileSync(join(test.root, 'x.record.json'), '');
    await test.look();
    const told = Object.fromEntries(
      test.list().map(({ path, at, epoch, reason, bytes }) => [path, { at, epoch, reason, bytes }]),
    );
    assert.deepEqual(Object.keys(told).sort(), [
      '-by-hand',
      '3-2026-11-20T031502.123Z',
      '4-host-keys-0123456789ab',
    ]);
    const old = { at: '2026-11-20T03:15:02.123Z', epoch: 3, reason: 'unknown', bytes: 3 };
    assert.deepEqual(told['3-2026-11-20T031502.123Z'], old);
    assert.equal(told['4-host-keys-0123456789ab']?.reason, 'host-keys');
  });

  it('tells of kept host keys what the record has, and takes the record with them', async () => {
    mkdirSync(join(test.root, '7-host-keys-0123456789ab'));
    writeFileSync(join(test.root, '7-host-keys-0123456789ab/key'), 'secret');
    for (let twice = 0; twice < 2; twice++) {
      test.quarantine.recordHostKeys('7-host-keys-0123456789ab', Buffer.from('host_keys'));
    }
    await test.look();
    const [entry] = test.list();
    assert.deepEqual([entry?.path, entry?.reason, entry?.leader], ['host_keys', 'host-keys', 'b']);
    discardIds(String(entry?.id));
    assert.deepEqual(readdirSync(test.root).sort(), ['.discarded']);
  });

  it('takes in what somebody removed or moved by hand', async () => {
    put('one');
    put('two');
    await test.look();
    rmSync(join(test.quarantine.folder, '000001-one'));
    test.pass(hourMs);
    await test.look();
    assert.deepEqual(paths(), ['two']);
    renameSync(test.quarantine.folder, join(test.base, 'elsewhere'));
    test.pass(hourMs);
    await test.look();
    assert.deepEqual([paths(), test.keeper.summary().bytes], [[], 0]);
  });

  it('shows what is in a folder, what is in service in its place, and no more than fits', async () => {
    mkdirSync(test.own('d'));
    for (let n = 0; n < 250; n++) writeFileSync(test.own(`d/f${n}`), 'xy');
    test.aside('d');
    writeFileSync(test.own('d'), 'a file now');
    await test.look();
    const { entry } = test.ask({ kind: 'show', id: idOf('d').slice(0, 6) });
    assert.deepEqual([entry.content.length, entry.isWhole, entry.bytes], [200, false, 500]);
    assert.deepEqual([entry.inService?.type, entry.inService?.bytes], ['file', 10]);
    assert.equal(Buffer.from(entry.pathBase64, 'base64').toString(), 'd');
    assert.equal(existsSync(join(test.root, entry.place)), true);
  });

  it('follows no link, neither in what it shows nor in what it removes', async () => {
    const outside = join(test.base, 'outside');
    mkdirSync(join(outside, 'deep'), { recursive: true });
    writeFileSync(join(outside, 'deep/file'), 'not ours');
    mkdirSync(test.own('d'));
    symlinkSync(outside, test.own('d/link'));
    symlinkSync(outside, test.own('top'));
    test.aside('d');
    test.aside('top');
    symlinkSync(outside, join(test.root, 'aside-9-2026-11-20T031502.123Z'));
    await test.look();
    assert.equal(test.ask({ kind: 'show', id: idOf('d') }).entry.content.length, 1);
    assert.equal(test.list().find(({ path }) => path === 'top')?.type, 'link');
    assert.equal(test.list().length, 3, 'a batch that is a link is one thing');
    test.ask({ kind: 'discard', selection: { kind: 'all', upTo: null }, dryRun: false, by: 'eve' });
    await test.look();
    assert.deepEqual([paths(), discardedThere()], [[], []]);
    assert.equal(readFileSync(join(outside, 'deep/file'), 'utf8'), 'not ours');
  });

  it('refuses an id that nothing has, and one that several have', async () => {
    for (let n = 0; n < 40; n++) put(`f${n}`);
    await test.look();
    assert.match(
      JSON.stringify(test.keeper.answer({ kind: 'show', id: 'ffffffffffff' })),
      /QUARANTINE_UNKNOWN/,
    );
    const firsts = test.list().map(({ id }) => id.slice(0, 1));
    const twice = firsts.find((first, index) => firsts.indexOf(first) !== index) ?? '';
    assert.match(JSON.stringify(test.keeper.answer({ kind: 'show', id: twice })), /QUARANTINE_AMBIGUOUS/);
    const ids = [idOf('f1'), 'ffffffffffff'];
    const answer = test.keeper.answer({
      ...{ kind: 'discard', selection: { kind: 'ids', ids }, dryRun: false, by: 'eve' },
    });
    assert.match(JSON.stringify(answer), /QUARANTINE_UNKNOWN/);
    assert.equal(paths().length, 40, 'all of it or nothing');
  });

  it('discards for good, and logs what, by whom', async () => {
    mkdirSync(test.own('d/e'), { recursive: true });
    writeFileSync(test.own('d/e/\x1b[2J'), 'text');
    test.aside('d');
    put('stays');
    await test.look();
    chmodSync(join(test.quarantine.folder, '000001-d/e'), 0);
    assert.equal(discardIds(idOf('d')).entries, 1);
    await test.look();
    assert.deepEqual(paths(), ['stays']);
    assert.deepEqual(readdirSync(test.quarantine.folder), ['000002-stays', '000002.json']);
    assert.deepEqual(discardedThere(), []);
    const [message, fields] = test.logged.at(-1) ?? ['', {}];
    assert.equal(message, 'discarded from quarantine by eve');
    assert.equal(fields.path, 'd');
  });

  it('discards nothing in a dry run, and nothing that came after what was shown', async () => {
    put('one');
    put('two');
    await test.look();
    const all = { kind: 'all' as const, upTo: null };
    const shown = test.ask({ kind: 'discard', selection: all, dryRun: true, by: 'eve' });
    assert.deepEqual([shown.entries, shown.more, paths().length], [2, false, 2]);
    put('three');
    await test.look();
    const { upTo } = shown;
    const done = test.ask({ kind: 'discard', selection: { kind: 'all', upTo }, dryRun: false, by: 'eve' });
    assert.equal(done.entries, 2);
    assert.deepEqual(paths(), ['three']);
  });

  it('discards nothing that was found after what was shown, however old it counts', async () => {
    put('shown');
    await test.look();
    const all = { kind: 'all' as const, upTo: null };
    const { upTo } = test.ask({ kind: 'discard', selection: all, dryRun: true, by: 'eve' });
    test.wallMs -= dayMs;
    put('later, by a clock that was stepped back');
    await test.look();
    const shown = { ...all, upTo };
    assert.equal(test.ask({ kind: 'discard', selection: shown, dryRun: false, by: 'eve' }).entries, 1);
    assert.deepEqual(paths(), ['later, by a clock that was stepped back']);
  });

  it('discards nothing when what was shown is not known any more, after a restart', async () => {
    put('shown');
    await test.look();
    const all = { kind: 'all' as const, upTo: null };
    const { upTo } = test.ask({ kind: 'discard', selection: all, dryRun: true, by: 'eve' });
    test.keeper = test.newKeeper();
    await test.look();
    const selection = { ...all, upTo };
    const answer = test.keeper.answer({ kind: 'discard', selection, dryRun: false, by: 'eve' });
    assert.match(JSON.stringify(answer), /CHANGED_MEANWHILE/);
    assert.deepEqual(paths(), ['shown']);
  });

  it('discards what is older than asked', async () => {
    put('old');
    test.pass(2 * dayMs);
    put('young');
    await test.look();
    const selection = { kind: 'older' as const, thanMs: dayMs, upTo: null };
    assert.equal(test.ask({ kind: 'discard', selection, dryRun: false, by: 'eve' }).entries, 1);
    assert.deepEqual(paths(), ['young']);
  });

  it('discards much in steps', async () => {
    for (let n = 0; n < maxDiscardedAtOnce + 1; n++) put(`f${n}`);
    await test.look();
    const step = () =>
      test.ask({ kind: 'discard', selection: { kind: 'all', upTo: null }, dryRun: false, by: 'eve' });
    const [first, second] = [step(), step()];
    assert.deepEqual([first.entries, first.more], [maxDiscardedAtOnce, true]);
    assert.deepEqual([second.entries, second.more], [1, false]);
  });

  it('goes on removing after a restart', async () => {
    mkdirSync(test.own('d'));
    writeFileSync(test.own('d/f'), 'text');
    test.aside('d');
    await test.look();
    discardIds(idOf('d'));
    assert.equal(discardedThere().length, 1);
    test.keeper = test.newKeeper();
    mkdirSync(test.own('e'));
    test.aside('e');
    await test.keeper.refresh();
    discardIds(idOf('e'));
    assert.equal(discardedThere().length, 2);
    await test.look();
    assert.deepEqual(discardedThere(), []);
  });

  it('removes folders that are nested deeper than a path may be long', async () => {
    const name = 'n'.repeat(200);
    mkdirSync(test.own('top'));
    // Longer than PATH_MAX: made from the inside out, as clients can by renames.
    for (let depth = 0; depth < 40; depth++) {
      mkdirSync(test.own('next'));
      renameSync(test.own('top'), test.own(`next/${name}`));
      renameSync(test.own('next'), test.own('top'));
    }
    test.aside('top');
    await test.look();
    assert.equal(test.list()[0]?.files, 41);
    discardIds(idOf('top'));
    await test.look();
    assert.deepEqual([discardedThere(), paths()], [[], []]);
  });

  it('clears records and folders that a power cut left, an hour later', async () => {
    put('one');
    const left = join(test.quarantine.folder, '000002.json');
    writeFileSync(left, 'half of a rec');
    await test.look();
    assert.equal(existsSync(left), true);
    test.keeper = test.newKeeper();
    test.pass(2 * hourMs);
    await test.look();
    assert.equal(existsSync(left), false);
    discardIds(idOf('one'));
    utimesSync(test.quarantine.folder, 1, 1);
    test.pass(hourMs);
    await test.look();
    assert.equal(existsSync(test.quarantine.folder), false);
  });

  it('drops the oldest beyond the age, and logs it by path', async () => {
    put('old');
    test.pass(dayMs);
    put('young');
    test.pass(89 * dayMs + hourMs);
    await test.look();
    assert.deepEqual(dropped(), ['old: too-old']);
    assert.deepEqual(paths(), ['young']);
  });

  it('drops the oldest of too much, and stops as soon as the rest fits', async () => {
    const megabyte = 'x'.repeat(1_000_000);
    test.keeper = test.newKeeper({ maxBytes: { bytes: 2_500_000 } });
    for (const name of ['a', 'b', 'c', 'd']) put(name, megabyte);
    await test.look();
    assert.deepEqual(dropped(), [], 'all of the last 24 hours');
    test.pass(25 * hourMs);
    await test.look();
    assert.deepEqual(dropped(), ['a: too-much', 'b: too-much']);
    assert.deepEqual(paths(), ['d', 'c']);
  });

  it('drops nothing for its bytes before all of it was looked at', async () => {
    put('a');
    put('b');
    test.keeper = test.newKeeper({ maxBytes: { bytes: 1 } });
    test.pass(25 * hourMs);
    const looking = test.keeper.refresh();
    assert.equal(test.keeper.summary().entries, 1);
    await test.keeper.dropBeyondBounds();
    assert.deepEqual(dropped(), []);
    await looking;
    await test.keeper.dropBeyondBounds();
    assert.equal(dropped().length, 2);
  });

  it('drops nothing before it knows which is the oldest, however full the disk', async () => {
    put('a');
    put('b');
    test.keeper = test.newKeeper();
    const looking = test.keeper.refresh();
    assert.equal(test.keeper.summary().entries, 1);
    test.space = { totalBytes: 1e5, freeBytes: 0, totalNames: 0, freeNames: 0 };
    await test.keeper.dropBeyondBounds();
    assert.deepEqual(dropped(), []);
    await looking;
    await test.keeper.dropBeyondBounds();
    assert.deepEqual(dropped(), ['a: disk-full']);
  });

  it('looks after all the rest when one folder cannot be looked after', async () => {
    put('one');
    // Nothing of ours makes one: a record that is a folder cannot be removed as a file.
    mkdirSync(join(test.root, 'aside-1-2026-11-20T031502.123Z/000001.json'), { recursive: true });
    utimesSync(join(test.root, 'aside-1-2026-11-20T031502.123Z'), 1, 1);
    await assert.rejects(test.keeper.refresh());
    assert.deepEqual(paths(), ['one']);
    assert.equal(test.keeper.summary().isComplete, true);
    discardIds(idOf('one'));
    test.pass(hourMs);
    await assert.rejects(test.keeper.keepUp());
    assert.deepEqual(discardedThere(), []);
  });

  it('forgets a folder that is discarded while it is measured', async () => {
    mkdirSync(test.own('d'));
    for (let n = 0; n < 200; n++) writeFileSync(test.own(`d/f${n}`), 'text');
    // The first breath is a rest.
    put('other');
    await test.look();
    test.aside('d');
    const looking = test.keeper.refresh();
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    assert.equal(test.list()[0]?.bytes, null, 'not measured yet');
    discardIds(idOf('d'));
    await looking;
    assert.deepEqual(paths(), ['other']);
  });

  it('takes a share of the file system as its bound', async () => {
    test.keeper = test.newKeeper({ maxBytes: { share: 0.05 } });
    await test.look();
    assert.equal(test.keeper.summary().maxBytes, 5e10);
  });

  it('drops young things when the disk is about to be full, until it is not', async () => {
    test = new TestQuarantine();
    const megabyte = 'x'.repeat(1_000_000);
    // As full as what the quarantine has not given back.
    test.space = () => {
      const names = readdirSync(test.root, { recursive: true }).map(String);
      const things = names.filter((name) => /(^|\/)(0000\d\d-|\d+$)/.test(name)).length;
      return { totalBytes: 1e8, freeBytes: 5_000_000 - things * 1_500_000, totalNames: 0, freeNames: 0 };
    };
    for (const name of ['a', 'b', 'c', 'd']) put(name, megabyte);
    await test.look();
    assert.deepEqual(dropped(), ['a: disk-full', 'b: disk-full']);
    assert.deepEqual(paths(), ['d', 'c']);
    assert.deepEqual(discardedThere(), []);
  });

  it('drops no more than it takes where the disk tells of its new room a while later', async () => {
    for (const name of ['a', 'b', 'c', 'd']) put(name, 'x'.repeat(1_000_000));
    test.space = { totalBytes: 1e8, freeBytes: 500_000, totalNames: 0, freeNames: 0 };
    await test.look();
    assert.deepEqual(dropped(), ['a: disk-full']);
    test.pass(4000);
    await test.look();
    assert.deepEqual(dropped(), ['a: disk-full'], 'its room may still come');
    test.pass(2000);
    await test.look();
    assert.deepEqual(dropped(), ['a: disk-full', 'b: disk-full'], 'others took it');
  });

  it('keeps what was set aside while the clock was years behind for as long as anything else', async () => {
    const isWrongByMs = 20_000 * dayMs;
    test.wallMs -= isWrongByMs;
    test.keeper = test.newKeeper();
    await test.look();
    put('early');
    await test.look();
    test.wallMs += isWrongByMs;
    put('later');
    await test.look();
    const ages = () => test.list().map(({ path, at }) => [path, test.wallMs - Date.parse(at) < hourMs]);
    assert.deepEqual(ages(), [
      ['later', true],
      ['early', true],
    ]);
    test.keeper = test.newKeeper();
    await test.look();
    assert.equal(ages().length, 2, 'also after a restart');
    test.pass(89 * dayMs);
    await test.look();
    assert.deepEqual(dropped(), []);
    test.pass(2 * dayMs);
    await test.look();
    assert.deepEqual(dropped(), ['early: too-old', 'later: too-old']);
  });

  it('discards also when somebody removed the folder for what is on its way out', async () => {
    put('one');
    await test.look();
    rmSync(join(test.root, '.discarded'), { recursive: true });
    discardIds(idOf('one'));
    assert.deepEqual(readdirSync(test.quarantine.folder), []);
    rmSync(join(test.root, '.discarded'), { recursive: true });
    await test.look();
    assert.deepEqual([paths(), discardedThere()], [[], []]);
  });
});
