import assert from 'node:assert/strict';
import fs, { constants, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { errnoOf } from '../../../../replicator/apply/errno.ts';
import { maxFileBytes } from '../../../../replicator/apply/limits.ts';
import type { LogRecord } from '../../../../replicator/core/record.ts';
import { Random } from '../../../sim/timeline.ts';
import { describeAsNobody } from './as-nobody.ts';
import { bytes, Engine, record } from './engine.ts';

/** What the kernel answers to the record, asked by plain calls by path. It has no records by handle here. */
function kernelAnswer(engine: Engine, asked: LogRecord): string | null {
  const at = (path: Buffer) => engine.at(path.toString('latin1'));
  try {
    switch (asked.kind) {
      case 'open': {
        const { created, truncate } = asked;
        const flags =
          constants.O_WRONLY |
          constants.O_NOFOLLOW |
          (created ? constants.O_CREAT | constants.O_EXCL : 0) |
          (truncate ? constants.O_TRUNC : 0);
        fs.closeSync(fs.openSync(at(asked.path), flags, asked.mode));
        break;
      }
      case 'rename':
        fs.renameSync(at(asked.from), at(asked.to));
        break;
      case 'remove':
        fs.unlinkSync(at(asked.path));
        break;
      case 'mkdir':
        fs.mkdirSync(at(asked.path), asked.mode);
        break;
      case 'rmdir':
        fs.rmdirSync(at(asked.path));
        break;
      case 'symlink':
        fs.symlinkSync(asked.target, at(asked.path));
        break;
      case 'link':
        fs.linkSync(at(asked.existing), at(asked.path));
        break;
      case 'set-attributes':
        if (asked.attributes.size !== undefined) {
          const fd = fs.openSync(at(asked.path), constants.O_WRONLY | constants.O_NOFOLLOW);
          fs.ftruncateSync(fd, asked.attributes.size);
          fs.closeSync(fd);
        }
        if (asked.attributes.mode !== undefined) fs.chmodSync(at(asked.path), asked.attributes.mode);
        break;
      default:
        throw new Error(`not asked: ${asked.kind}`);
    }
    return null;
  } catch (error) {
    return errnoOf(error) ?? String(error);
  }
}

const names = ['a', 'b', 'c'];
const modes = [0o755, 0o755, 0o755, 0o700, 0o555, 0o444, 0o000, 0o311, 0o666];

function randomRecord(random: Random): LogRecord {
  const path = () =>
    Array.from({ length: 1 + Math.floor(random.next() * 3) }, () => random.pick(names)).join('/');
  const pick = random.next();
  if (pick < 0.2)
    return record.open(1, path(), {
      created: random.chance(0.8),
      truncate: random.chance(0.5),
      mode: random.pick(modes),
    });
  if (pick < 0.35) return record.mkdir(path(), random.pick(modes));
  if (pick < 0.6) return record.rename(path(), path());
  if (pick < 0.67) return record.remove(path());
  if (pick < 0.74) return record.rmdir(path());
  if (pick < 0.82) return record.link(path(), path());
  if (pick < 0.86) return record.symlink(path(), random.pick(['x', '', 't'.repeat(4095), 't'.repeat(4096)]));
  return random.chance(0.4)
    ? record.set(path(), { size: 10 })
    : record.set(path(), { mode: random.pick([0o755, 0o755, ...modes]) });
}

/** Paths are link-free where they are logged: one that a link leads away is not asked. */
function hasLinkOnTheWay(engine: Engine, asked: LogRecord): boolean {
  const paths = Object.values(asked).filter((value) => Buffer.isBuffer(value));
  return paths.some((path) => {
    const parts = path.toString('latin1').split('/');
    return parts.slice(0, -1).some((_, index) => isLink(engine.at(parts.slice(0, index + 1).join('/'))));
  });
}

function isLink(path: string): boolean {
  try {
    return fs.lstatSync(path).isSymbolicLink();
  } catch {
    return false;
  }
}

describeAsNobody('preconditions', import.meta.url, () => {
  it('refuse what the kernel refuses, with its code, and nothing else', (context) => {
    const seed = 1 + Math.floor(Math.random() * 2 ** 31);
    context.diagnostic(`seed ${seed}`);
    const answers = new Map<string, number>();
    for (let round = 0; round < 60; round++) {
      const random = new Random(seed + round);
      const engine = new Engine();
      for (let step = 0; step < 300; step++) {
        const asked = randomRecord(random);
        if (hasLinkOnTheWay(engine, asked)) continue;
        if (asked.kind === 'set-attributes' && isLink(engine.at(asked.path.toString('latin1')))) continue;
        const refusal = engine.preconditions.refusal(asked);
        const answer = kernelAnswer(engine, asked);
        assert.equal(
          refusal,
          answer,
          `seed ${seed + round}, step ${step}: ${JSON.stringify(asked)} ${JSON.stringify(Object.values(asked).map(String))}`,
        );
        answers.set(`${asked.kind} ${answer}`, (answers.get(`${asked.kind} ${answer}`) ?? 0) + 1);
      }
      engine.remove();
    }
    const seen = [...answers.keys()];
    for (const code of [
      'EACCES',
      'EEXIST',
      'EINVAL',
      'EISDIR',
      'ENAMETOOLONG',
      'ENOENT',
      'ENOTDIR',
      'ENOTEMPTY',
      'EPERM',
      'ELOOP',
    ])
      assert.ok(
        seen.some((each) => each.endsWith(code)),
        `${code} was met: ${seen}`,
      );
  });
});

describe('preconditions by table', () => {
  let engine: Engine;
  beforeEach(() => {
    engine = new Engine();
  });
  afterEach(() => engine.remove());

  const refusal = (asked: LogRecord, options?: { mustBeNew?: boolean }) =>
    engine.preconditions.refusal(asked, options);

  it('what must be new is refused when it is there', () => {
    engine.put('a', 'x');
    engine.put('b', 'x');
    symlinkSync('a', engine.at('l'));
    assert.equal(refusal(record.open(1, 'a')), 'EEXIST');
    assert.equal(refusal(record.open(1, 'l')), 'EEXIST');
    assert.equal(refusal(record.open(1, 'n')), null);
    assert.equal(refusal(record.open(1, 'n', { created: false })), 'ENOENT');
    assert.equal(engine.preconditions.find(bytes('a'))?.type, 'file');
    assert.equal(engine.preconditions.find(bytes('n')), null);
    assert.equal(refusal(record.rename('a', 'b'), { mustBeNew: true }), 'EEXIST');
    assert.equal(refusal(record.rename('a', 'n'), { mustBeNew: true }), null);
    assert.equal(refusal(record.rename('n', 'b'), { mustBeNew: true }), 'ENOENT');
  });

  it('handles, sizes and names have bounds', () => {
    engine.apply(record.open(1, 'a'));
    assert.equal(refusal(record.open(1, 'b')), 'EINVAL');
    assert.equal(refusal(record.write(1, maxFileBytes - 1, 1)), null);
    assert.equal(refusal(record.write(1, maxFileBytes - 1, 2)), 'EFBIG');
    assert.equal(refusal(record.write(2, 0, 1)), 'EBADF');
    assert.equal(refusal(record.close(2)), 'EBADF');
    assert.equal(refusal(record.setHandle(1, { size: maxFileBytes + 1 })), 'EFBIG');
    assert.equal(refusal(record.set('a', { size: maxFileBytes + 1 })), 'EFBIG');
    assert.equal(refusal(record.mkdir('x'.repeat(255))), null);
    assert.equal(refusal(record.mkdir('x'.repeat(256))), 'ENAMETOOLONG');
    assert.equal(refusal(record.mkdir(`${'x'.repeat(256)}/y`)), 'ENAMETOOLONG');
    assert.equal(refusal(record.mkdir(`${'x/'.repeat(40_000)}y`)), 'ENAMETOOLONG');
    assert.equal(refusal(record.mkdir('a\0b')), 'EINVAL');
    assert.equal(refusal(record.mkdir('../x')), 'EINVAL');
    assert.equal(refusal(record.symlink('l', 'a\0b')), 'EINVAL');
    for (const root of [
      record.mkdir(''),
      record.remove(''),
      record.rmdir(''),
      record.rename('', 'x'),
      record.rename('a', ''),
    ])
      assert.equal(refusal(root), 'EBUSY', root.kind);
    assert.equal(refusal(record.open(5, '')), 'EISDIR');
    assert.equal(refusal(record.set('', { mode: 0o755 })), null);
  });

  it('a link is not followed on the way, and has no mode and no size', () => {
    mkdirSync(engine.at('d'));
    symlinkSync('d', engine.at('l'));
    assert.equal(refusal(record.mkdir('l/x')), 'ENOTDIR');
    assert.equal(refusal(record.set('l', { mode: 0o600 })), 'ELOOP');
    assert.equal(refusal(record.set('l', { size: 0 })), 'ELOOP');
    assert.equal(refusal(record.set('l', { modifiedAtUs: 5 })), null);
  });

  it('a full disk refuses what needs room, and nothing that makes some', () => {
    engine.apply(record.open(1, 'f'), record.mkdir('d'));
    engine.free = { ...engine.free, bytes: 100 * 2 ** 20 };
    engine.space.lookAgain();
    const needing = [
      record.open(2, 'n'),
      record.write(1, 0, 1),
      record.mkdir('n'),
      record.symlink('n', 'x'),
      record.link('f', 'n'),
    ];
    for (const each of needing) assert.equal(refusal(each), 'ENOSPC', each.kind);
    const freeing = [
      record.open(2, 'f', { created: false, truncate: true }),
      record.setHandle(1, { size: 0 }),
      record.set('f', { size: 0, mode: 0o600 }),
      record.rename('f', 'g'),
      record.remove('f'),
      record.rmdir('d'),
      record.close(1),
    ];
    for (const each of freeing) assert.equal(refusal(each), null, each.kind);
  });

  it('a file system that is read-only refuses every change, after what is plainly impossible', () => {
    engine.apply(record.open(1, 'f'), record.mkdir('d'));
    engine.free = { ...engine.free, isReadOnly: true };
    engine.space.lookAgain();
    const changes = [
      record.open(2, 'n'),
      record.open(2, 'f', { created: false }),
      record.write(1, 0, 1),
      record.setHandle(1, { mode: 0o600 }),
      record.set('f', { mode: 0o600 }),
      record.mkdir('n'),
      record.symlink('n', 'x'),
      record.link('f', 'n'),
      record.rename('f', 'n'),
      record.remove('f'),
      record.rmdir('d'),
    ];
    for (const each of changes) assert.equal(refusal(each), 'EROFS', each.kind);
    assert.equal(refusal(record.remove('missing')), 'ENOENT');
    assert.equal(refusal(record.mkdir('d')), 'EEXIST');
  });

  it('a rename of one name of a file to another of the same stands, in any folder', () => {
    writeFileSync(engine.at('a'), '');
    engine.apply(record.mkdir('d'), record.link('a', 'd/b'));
    assert.equal(refusal(record.rename('a', 'd/b')), null);
  });
});
