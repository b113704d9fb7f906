import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { codeOf } from '#contracts/errors.ts';
import { type Entry, readEntry } from '../../../../replicator/log/entry.ts';
import type { OperationLogOptions } from '../../../../replicator/log/log-options.ts';
import type { OperationLog } from '../../../../replicator/log/operation-log.ts';
import { parseSegmentName } from '../../../../replicator/log/segment-name.ts';
import { Random } from '../../../sim/timeline.ts';
import { openLed, openLog, payloadsOf, removal, sinceCheckpoint, summary } from './opened-log.ts';
import { below, leadership, randomBytes, randomLocalRecord, randomRecords } from './random-records.ts';
import { VirtualDisk } from './virtual-disk.ts';

/** An entry as it lies on the disk, and what the log amounts to behind it. */
interface Known {
  readonly file: string;
  readonly offset: number;
  readonly entry: Entry;
  readonly after: unknown;
}

async function contentOf(log: OperationLog): Promise<unknown> {
  const entries = await sinceCheckpoint(log);
  const recent = entries.map((entry) =>
    entry.kind === 'local' ? entry.records : entry.batch.payload.toString('hex'),
  );
  return { ...(summary(log) as object), batches: await payloadsOf(log), recent };
}

/** Segments in order. */
function filesOf(disk: VirtualDisk): string[] {
  return disk.names().sort();
}

function entriesOf(disk: VirtualDisk): { file: string; offset: number; entry: Entry }[] {
  return filesOf(disk).flatMap((file) => {
    const { base, marker } = parseSegmentName(file) ?? { base: 0, marker: 0 };
    const found: { file: string; offset: number; entry: Entry }[] = [];
    for (let at = 0; ; ) {
      const entry = readEntry(disk.content(file), at, marker, base + at);
      if (entry === null) return found;
      found.push({ file, offset: base + at, entry });
      at = entry.end;
    }
  });
}

/** A log of several segments, with flushes here and there, and what it was behind each entry. */
async function story(
  seed: number,
  rounds: number,
): Promise<{ disk: VirtualDisk; known: Known[]; durable: number }> {
  const random = new Random(seed);
  const disk = new VirtualDisk();
  const options = { segmentBytes: 600, aheadBytes: 256 };
  const log = await openLed(disk, options);
  // The header came before the first batch.
  const contents: unknown[] = [null, await contentOf(log)];
  const note = async () => {
    const content = await contentOf(log);
    for (const { entry } of entriesOf(disk).slice(contents.length)) {
      contents.push(entry.type === 1 ? { ...(contents.at(-1) as object), recent: [] } : content);
    }
  };
  for (let round = 0; round < rounds; round += 1) {
    if (random.chance(0.4)) log.appendLocal([randomLocalRecord(random)]);
    else log.append([removal(`name-${round}`), ...randomRecords(random, 2)]);
    await note();
    if (random.chance(0.3)) await log.flush();
  }
  const known = entriesOf(disk).map((found, index) => ({ ...found, after: contents[index] }));
  assert.equal(known.length, contents.length);
  return { disk, known, durable: log.durable.offset };
}

type Outcome = { readonly code: string } | { readonly content: unknown; readonly torn: boolean };

/** What comes of opening a log and reading all of it: older segments are looked at when they are read. */
async function recovered(disk: VirtualDisk, options: Partial<OperationLogOptions> = {}): Promise<Outcome> {
  let log: OperationLog | null = null;
  try {
    log = await openLog(disk, options);
    return { content: await contentOf(log), torn: log.torn !== null };
  } catch (error) {
    assert.ok(log !== null || disk.openFiles === 0, 'files are closed');
    return { code: codeOf(error) };
  }
}

/** The rule (P4), told once more: which entries are needed before they may be missing. */
function expectedWithout(broken: ReadonlySet<Known>, known: readonly Known[]): 'damage' | Known | null {
  const durable = Math.max(0, ...known.filter((one) => !broken.has(one)).map(({ entry }) => entry.durable));
  const first = known.findIndex((one) => broken.has(one));
  const missing = known[first];
  if (missing === undefined) return known.at(-1) ?? null;
  return missing.offset < durable ? 'damage' : (known[first - 1] ?? null);
}

describe('recovery', () => {
  it('finds each change of one byte, keeps what lies before it, and tells damage of what was on the disk', async () => {
    const random = new Random(41);
    const { disk, known } = await story(42, 40);
    assert.ok(filesOf(disk).length >= 3);
    const seen = { damage: 0, torn: 0, beyond: 0 };
    for (const file of filesOf(disk).slice(-2)) {
      const { length } = disk.content(file);
      for (let at = 0; at < length; at += 1) {
        const changed = disk.afterCrash();
        const content = changed.content(file);
        content[at] = (content[at] ?? 0) ^ (1 << below(random, 8));
        const broken = known.filter((one) => one.file === file && one.entry.at <= at && at < one.entry.end);
        const expected = expectedWithout(new Set(broken), known);
        const outcome = await recovered(changed);
        const where = `${file} at ${at}`;
        if (expected === 'damage') {
          assert.deepEqual(outcome, { code: 'LOG_DAMAGED' }, where);
          seen.damage += 1;
        } else if ('code' in outcome) {
          assert.fail(`${where}: ${outcome.code}`);
        } else if (broken.length === 0) {
          assert.deepEqual(outcome.content, known.at(-1)?.after, where);
          seen.beyond += 1;
        } else {
          // Without a header, the local records since the one before count again.
          assert.deepEqual(outcome, { content: expected?.after, torn: true }, where);
          seen.torn += 1;
        }
      }
    }
    assert.ok(seen.damage > 100 && seen.torn > 20 && seen.beyond > 10, JSON.stringify(seen));
  });

  it('of a log that was closed tells each change', async () => {
    const disk = new VirtualDisk();
    const log = await openLed(disk, { aheadBytes: 8 });
    log.append([removal('a')]);
    log.appendLocal([{ kind: 'active', directories: [Buffer.from('a')], files: [], trees: [] }]);
    await log.close();
    const [file = ''] = filesOf(disk);
    const mark = entriesOf(disk).at(-1)?.entry;
    assert.ok(mark && mark.type === 4);
    for (let at = 0; at < mark.at; at += 1) {
      const changed = disk.afterCrash();
      const content = changed.content(file);
      content[at] = (content[at] ?? 0) ^ 0x10;
      assert.deepEqual(await recovered(changed), { code: 'LOG_DAMAGED' }, String(at));
    }
  });

  it('keeps the intact beginning of a log that ends anywhere', async () => {
    const { disk, known } = await story(43, 30);
    const file = filesOf(disk).at(-1) ?? '';
    for (let length = 0; length <= disk.content(file).length; length += 1) {
      const short = disk.afterCrash();
      short.cutOff(file, length);
      const outcome = await recovered(short);
      const left = known.filter((one) => one.file !== file || one.entry.end <= length);
      const { after } = left.at(-1) ?? { after: null };
      if ('code' in outcome) assert.fail(`cut at ${length}: ${outcome.code}`);
      assert.deepEqual(outcome.content, after, `cut at ${length}`);
    }
  });

  it('is not content with less than somebody else knows to be on the disk', async () => {
    const disk = new VirtualDisk();
    const log = await openLed(disk);
    log.append([removal('a')]);
    log.append([removal('b')]);
    const { entry, file } = entriesOf(disk).at(-1) ?? {};
    assert.ok(entry && file);
    const short = () => {
      const copy = disk.afterCrash();
      copy.cutOff(file, entry.end - 1);
      return copy;
    };
    assert.ok('torn' in (await recovered(short(), { heldAtLeast: 2 })));
    assert.deepEqual(await recovered(short(), { heldAtLeast: 3 }), { code: 'LOG_DAMAGED' });
  });

  it('leaves a damaged log as it is', async () => {
    const { disk: written, known } = await story(44, 40);
    const disk = written.afterCrash();
    const needed = known.findLast((one) => expectedWithout(new Set([one]), known) === 'damage');
    assert.ok(needed);
    disk.content(needed.file)[needed.entry.at + 8] = 0x77;
    const before = filesOf(disk).map((name) => disk.content(name).toString('hex'));
    assert.deepEqual(await recovered(disk), { code: 'LOG_DAMAGED' });
    assert.deepEqual(
      filesOf(disk).map((name) => disk.content(name).toString('hex')),
      before,
    );
  });

  it('tells of damage in older segments when they are read', async () => {
    const disk = new VirtualDisk();
    const log = await openLed(disk, { segmentBytes: 300 });
    for (let round = 0; round < 30; round += 1) log.append([removal(`name-${round}`)]);
    await log.close();
    const older = entriesOf(disk).filter(
      ({ file, entry }) => file !== filesOf(disk).at(-1) && entry.type === 2,
    );
    assert.ok(older.length > 10);
    for (const { file, entry } of older) {
      const changed = disk.afterCrash();
      const at = entry.at + 30;
      changed.content(file)[at] = (changed.content(file)[at] ?? 0) ^ 4;
      await assert.rejects((await openLog(changed)).verify(), { code: 'LOG_DAMAGED' });
    }
    const missing = disk.afterCrash();
    missing.remove(filesOf(disk)[1] ?? '');
    assert.deepEqual(await recovered(missing), { code: 'LOG_DAMAGED' });
  });

  it('takes nothing that an earlier life left behind the end', async () => {
    const disk = new VirtualDisk();
    const log = await openLed(disk);
    log.appendLocal([{ kind: 'applied', sequence: 1 }]);
    log.appendLocal([{ kind: 'applied', sequence: 2 }]);
    const [first, second] = entriesOf(disk).slice(-2);
    assert.ok(first && second);
    const torn = disk.afterCrash();
    torn.content(first.file)[first.entry.at + 20] = 0xff;
    const again = await openLog(torn);
    assert.deepEqual(again.torn, {
      offset: first.offset,
      bytes: torn.content(first.file).length === first.entry.at ? 4096 - first.entry.at : -1,
      position: { epoch: 1, sequence: 1 },
    });
    again.appendLocal([{ kind: 'applied', sequence: 3 }]);
    const third = await sinceCheckpoint(await openLog(torn.afterPowerCut(new Random(5))));
    const last = await sinceCheckpoint(await openLog(torn.afterCrash()));
    for (const entries of [third, last]) {
      const sequences = entries.flatMap((entry) =>
        entry.kind === 'local' ? entry.records.map((record) => 'sequence' in record && record.sequence) : [],
      );
      assert.ok(!sequences.includes(2) && !sequences.includes(1), String(sequences));
    }
    assert.equal(last.length, 2);
  });

  it('takes no entry at a wrong place', async () => {
    const disk = new VirtualDisk();
    const log = await openLed(disk);
    log.appendLocal([{ kind: 'applied', sequence: 1 }]);
    const { entry, file } = entriesOf(disk).at(-1) ?? {};
    assert.ok(entry && file);
    const content = disk.content(file);
    content.copy(content, entry.end, entry.at, entry.end);
    const again = await openLog(disk.afterCrash());
    assert.equal((await sinceCheckpoint(again)).length, 2);
    assert.notEqual(again.torn, null);
  });

  it('of any bytes ends with a log or a reason', async () => {
    const random = new Random(45);
    const { disk } = await story(46, 30);
    const outcomes = new Set<string>();
    for (let round = 0; round < 1500; round += 1) {
      const changed = disk.afterCrash();
      for (let times = below(random, 3); times >= 0; times -= 1) {
        const name = random.pick(filesOf(changed));
        const content = changed.content(name);
        const at = below(random, content.length);
        const garbage = random.chance(0.5)
          ? randomBytes(random, below(random, 200))
          : content.subarray(below(random, content.length)).subarray(0, below(random, 600));
        if (random.chance(0.8)) garbage.copy(content, at);
        else if (random.chance(0.5)) changed.cutOff(name, at);
        else if (filesOf(changed).length > 1) changed.remove(name);
      }
      const outcome = await recovered(changed);
      outcomes.add('code' in outcome ? outcome.code : 'recovered');
    }
    assert.deepEqual([...outcomes].sort(), ['LOG_DAMAGED', 'recovered']);
  });

  it('of files without any sense tells damage, and of an empty folder begins', async () => {
    const random = new Random(47);
    for (let round = 0; round < 200; round += 1) {
      const disk = new VirtualDisk();
      const file = disk.create('0000000000000000-0000abcd.segment');
      file.write(randomBytes(random, below(random, 3000)), 0);
      file.close();
      assert.deepEqual(await recovered(disk), { code: 'LOG_DAMAGED' });
    }
    const disk = new VirtualDisk();
    disk.create('another file');
    disk.create('0000000000000000-0000abcd.segment.new');
    assert.ok('content' in (await recovered(disk)));
    assert.equal(disk.names().length, 2, 'what was not finished is gone');
  });
});

/** What was done to a log, in order. */
type Event =
  | { readonly kind: 'batch'; readonly payload: string }
  | { readonly kind: 'local'; readonly records: unknown }
  | { readonly kind: 'checkpoint' }
  | { readonly kind: 'cut'; readonly batches: number };

/** What a log holds after events. */
function amount(events: readonly Event[]): { batches: string[]; recent: unknown[] } {
  let batches: string[] = [];
  let recent: unknown[] = [];
  for (const event of events) {
    if (event.kind === 'batch') batches.push(event.payload);
    if (event.kind === 'batch') recent.push(event.payload);
    if (event.kind === 'local') recent.push(event.records);
    if (event.kind === 'checkpoint') recent = [];
    if (event.kind === 'cut') {
      batches = batches.slice(0, event.batches);
      recent = [];
    }
  }
  return { batches, recent };
}

/** Appends, flushes, cuts and loses power, over and over. @returns how often something was torn */
async function powerCuts(seed: number): Promise<{ torn: number; lost: number }> {
  const random = new Random(seed);
  let events: Event[] = [];
  let flushed = 0;
  let disk = new VirtualDisk();
  const seen = { torn: 0, lost: 0 };
  const options = (): Partial<OperationLogOptions> => ({
    segmentBytes: 500,
    aheadBytes: random.pick([8, 256, 2048]),
    checkpointState: () => {
      events.push({ kind: 'checkpoint' });
      return Buffer.from('state');
    },
  });
  let log = await openLog(disk, options());
  for (let life = 0; life < 4; life += 1) {
    for (let step = below(random, 30); step >= 0; step -= 1) {
      const choice = random.next();
      if (choice < 0.5) {
        const records = randomRecords(random, 3);
        const led = log.position.epoch > 0 && random.chance(0.9);
        const first = led ? [] : [leadership(log.position.epoch + 1 + life, log.position)];
        const { payload } = log.append([...first, ...records]);
        events.push({ kind: 'batch', payload: payload.toString('hex') });
      } else if (choice < 0.75) {
        const records = [randomLocalRecord(random)];
        log.appendLocal(records);
        events.push({ kind: 'local', records });
      } else if (choice < 0.9) {
        const reached = events.length;
        const flushedDisk = disk;
        const flush = log.flush().then(() => {
          // One that ends after the power cut is of no use to anybody.
          if (flushedDisk === disk) flushed = Math.max(flushed, reached);
        });
        if (random.chance(0.6)) await flush;
        else for (let wait = below(random, 8); wait > 0; wait -= 1) await Promise.resolve();
      } else if (choice < 0.95) {
        log.checkpoint();
      } else if (log.position.sequence > 0) {
        const batches = await payloadsOf(log, 1);
        const count = 1 + below(random, batches.length);
        const payload = Buffer.from(batches[count - 1] ?? '', 'hex');
        const { last, epoch } = await lastOf(log, payload);
        await log.truncateTo({ epoch, sequence: last }, Buffer.from('cut'));
        events.push({ kind: 'cut', batches: count });
        flushed = events.length;
      }
    }
    disk = disk.afterPowerCut(random);
    const before = events.slice();
    const heldAtLeast = random.chance(0.5) ? 0 : lastSequence(amount(before.slice(0, flushed)).batches);
    log = await openLog(disk, { ...options(), heldAtLeast });
    if (log.torn !== null) seen.torn += 1;
    const held = {
      batches: await payloadsOf(log, 1),
      recent: (await sinceCheckpoint(log)).map((entry) =>
        entry.kind === 'local' ? entry.records : entry.batch.payload.toString('hex'),
      ),
    };
    let count = before.length;
    while (count >= flushed && !isDeepStrictEqual(amount(before.slice(0, count)), held)) count -= 1;
    assert.ok(count >= flushed, `seed ${seed}, life ${life}: not what was flushed, and some of the rest`);
    if (count < before.length) seen.lost += 1;
    events = before.slice(0, count);
    await log.flush();
    flushed = events.length;
  }
  return seen;
}

async function lastOf(log: OperationLog, payload: Buffer): Promise<{ last: number; epoch: number }> {
  for await (const batch of log.read(1)) if (batch.payload.equals(payload)) return batch;
  throw new Error('the batch is gone');
}

function lastSequence(batches: readonly string[]): number {
  const payload = Buffer.from(batches.at(-1) ?? '', 'hex');
  return payload.length === 0 ? 0 : Number(payload.readBigUInt64BE(8)) + payload.readUInt32BE(16) - 1;
}

/** More for a long look: SEEDS=5000 node --test recovery.test.ts */
const seeds = Number(process.env.SEEDS ?? 120);

describe('a power cut', () => {
  it('at any moment loses nothing that was flushed, and makes nothing up', async () => {
    const seen = { torn: 0, lost: 0 };
    for (let seed = 1; seed <= seeds; seed += 1) {
      const { torn, lost } = await powerCuts(seed);
      seen.torn += torn;
      seen.lost += lost;
    }
    assert.ok(seen.torn > 30 && seen.lost > 60, JSON.stringify(seen));
  });
});
