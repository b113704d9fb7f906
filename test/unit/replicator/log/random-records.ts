import type { DoubtChange } from '../../../../replicator/core/doubts.ts';
import type { LocalRecord } from '../../../../replicator/core/local-record.ts';
import type { LoggedAttributes, LogRecord, Scope } from '../../../../replicator/core/record.ts';
import type { DecodedRecord } from '../../../../replicator/log/record-codec.ts';
import type { Random } from '../../../sim/timeline.ts';

export function below(random: Random, limit: number): number {
  return Math.floor(random.next() * limit);
}

export function randomBytes(random: Random, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => below(random, 256)));
}

/** The root, too. */
export function randomPath(random: Random): Buffer {
  return random.chance(0.2) ? Buffer.alloc(0) : randomNamedPath(random);
}

/** Of few names, so that records meet. */
function randomNamedPath(random: Random): Buffer {
  const parts = Array.from({ length: 1 + below(random, 3) }, () =>
    random.chance(0.5) ? Buffer.from(random.pick(['a', 'b'])) : randomName(random),
  );
  return Buffer.from(parts.flatMap((part, index) => (index === 0 ? [...part] : [0x2f, ...part])));
}

function randomName(random: Random): Buffer {
  const name = randomBytes(random, 1 + below(random, random.chance(0.1) ? 255 : 8));
  const plain = Buffer.from(name.map((byte) => (byte === 0 || byte === 0x2f ? 0x41 : byte)));
  return plain.every((byte) => byte === 0x2e) ? Buffer.from('dots') : plain;
}

function randomAttributes(random: Random): LoggedAttributes {
  return {
    ...(random.chance(0.5) && { size: randomInteger(random) }),
    ...(random.chance(0.5) && { mode: below(random, 0o10000) }),
    ...(random.chance(0.5) && { accessedAtUs: randomInteger(random) * random.pick([1, -1]) || 0 }),
    ...(random.chance(0.5) && { modifiedAtUs: randomInteger(random) * random.pick([1, -1]) || 0 }),
  };
}

/** Of all magnitudes, up to 2^52. */
export function randomInteger(random: Random): number {
  return Math.floor(2 ** (random.next() * 52) - 1 + random.next());
}

function randomNames(random: Random): Buffer[] {
  return Array.from({ length: below(random, 3) }, () => randomNamedPath(random));
}

type Maker = (random: Random) => DecodedRecord;

const handle = (random: Random) => (random.chance(0.9) ? below(random, 20) : randomInteger(random));

/** All but leaderships, which have their place. */
const makers: { readonly [Kind in Exclude<LogRecord['kind'], 'leadership'>]: Maker } & { unknown: Maker } = {
  open: (random) => ({
    kind: 'open',
    handle: handle(random),
    path: randomNamedPath(random),
    created: random.chance(0.5),
    truncate: random.chance(0.5),
    mode: below(random, 0o10000),
    otherNames: randomNames(random),
  }),
  write: (random) => ({
    kind: 'write',
    handle: handle(random),
    offset: randomInteger(random),
    length: randomInteger(random),
  }),
  'set-handle-attributes': (random) => ({
    kind: 'set-handle-attributes',
    handle: handle(random),
    attributes: randomAttributes(random),
  }),
  close: (random) => ({ kind: 'close', handle: handle(random) }),
  sync: (random) => ({ kind: 'sync', handle: handle(random) }),
  'set-attributes': (random) => ({
    kind: 'set-attributes',
    path: randomPath(random),
    attributes: randomAttributes(random),
    otherNames: randomNames(random),
  }),
  rename: (random) => ({ kind: 'rename', from: randomNamedPath(random), to: randomNamedPath(random) }),
  remove: (random) => ({ kind: 'remove', path: randomNamedPath(random) }),
  mkdir: (random) => ({ kind: 'mkdir', path: randomNamedPath(random), mode: below(random, 0o10000) }),
  rmdir: (random) => ({ kind: 'rmdir', path: randomNamedPath(random) }),
  symlink: (random) => ({
    kind: 'symlink',
    path: randomNamedPath(random),
    target: Buffer.concat([Buffer.from('t'), randomNamedPath(random)]),
  }),
  link: (random) => ({ kind: 'link', existing: randomNamedPath(random), path: randomNamedPath(random) }),
  suspect: (random) => ({
    kind: 'suspect',
    names: Array.from({ length: below(random, 4) }, () => ({
      path: randomPath(random),
      scope: random.pick<Scope>(['name', 'entries', 'tree']),
    })),
    ranges: Array.from({ length: below(random, 4) }, () => ({
      paths: randomNames(random),
      offset: randomInteger(random),
      length: randomInteger(random),
    })),
  }),
  state: (random) => ({
    kind: 'state',
    area: random.pick(['bans', 'quota-use', 'x']),
    key: randomBytes(random, below(random, 30)),
    value: random.chance(0.3) ? null : randomBytes(random, below(random, 100)),
  }),
  unknown: (random) => ({
    kind: 'unknown',
    number: 0x8000 + below(random, 0x8000),
    body: randomBytes(random, below(random, 50)),
  }),
};

export function randomRecord(random: Random): DecodedRecord {
  return random.pick(Object.values(makers))(random);
}

export function randomRecords(random: Random, most = 6): DecodedRecord[] {
  return Array.from({ length: 1 + below(random, most) }, () => randomRecord(random));
}

export function leadership(epoch: number, previous: { epoch: number; sequence: number }): LogRecord {
  return { kind: 'leadership', epoch, node: 'host-a', previous };
}

export function randomLocalRecord(random: Random): LocalRecord {
  const paths = () => Array.from({ length: below(random, 3) }, () => randomPath(random));
  return random.pick<() => LocalRecord>([
    () => ({ kind: 'active', directories: paths(), files: paths(), trees: paths() }),
    () => ({ kind: 'applied', sequence: randomInteger(random) }),
    () => ({ kind: 'flushed', sequence: randomInteger(random) }),
    () => ({
      kind: 'opened',
      handle: handle(random),
      inode: BigInt(randomInteger(random)) * 4096n + BigInt(below(random, 4096)),
    }),
    () => ({ kind: 'checkpoint-begins', id: randomInteger(random) }),
    () => ({ kind: 'checkpoint', id: randomInteger(random) }),
    () => ({ kind: 'named', inode: BigInt(randomInteger(random)), path: randomPath(random) }),
    () => ({
      kind: 'doubts',
      changes: Array.from({ length: below(random, 5) }, () => randomDoubtChange(random)),
    }),
  ])();
}

function randomDoubtChange(random: Random): DoubtChange {
  const path = () => randomPath(random).toString('latin1');
  const range = () => ({
    inode: BigInt(randomInteger(random)),
    from: randomInteger(random),
    to: randomInteger(random),
  });
  return random.pick<() => DoubtChange>([
    () => ({ kind: 'mark', path: path(), scope: random.pick<Scope>(['name', 'entries', 'tree']) }),
    () => ({ kind: 'settle', path: path(), scope: random.pick<'name' | 'tree'>(['name', 'tree']) }),
    () => ({ kind: 'settle-entries', path: path(), upTo: random.chance(0.5) ? null : path() }),
    () => ({ kind: 'move', from: path(), to: path() }),
    () => ({ kind: 'lack', ...range(), since: randomInteger(random), mayBeSame: random.chance(0.5) }),
    () => ({ kind: 'differ', ...range() }),
    () => ({ kind: 'know', ...range() }),
    () => ({ kind: 'forget-after', sequence: randomInteger(random) }),
  ])();
}
