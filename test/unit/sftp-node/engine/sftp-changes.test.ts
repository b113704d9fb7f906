import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Change } from '#contracts/engine/message.ts';
import { changeOf, changes, type RequestName } from '../../../../sftp-node/engine/sftp-changes.ts';
import { FieldReader, FieldWriter } from '../../../../sftp-node/sftp/fields.ts';
import { attributeFlag, openFlag } from '../../../../sftp-node/sftp/protocol.ts';

const { size, permissions, times, owner } = attributeFlag;
const lookups = { handleOf: (name: Buffer) => (name[0] === 1 ? 77 : null), linkFirst: false };
const path = (text: string) => Buffer.from(text);
const ours = Buffer.of(1);
const read = Buffer.of(2);
const paths = (...names: string[]) => names.reduce((fields, name) => fields.text(name), new FieldWriter());
const withAll = (fields: FieldWriter) =>
  fields
    .u32(size | permissions | times)
    .u64(3)
    .u32(0o4751)
    .u32(1_000_000)
    .u32(4_294_967_295);
const all = { size: 3, mode: 0o751, accessedAtUs: 1e12, modifiedAtUs: 4_294_967_295e6 };
const none = { read: false, append: false, exclusive: false, create: false, truncate: false };

const cases: [name: RequestName, fields: FieldWriter, change: Change | 'reads'][] = [
  ['open', paths('/a').u32(openFlag.read).u32(0), 'reads'],
  [
    'open',
    paths('/a/../b')
      .u32(openFlag.write | openFlag.create | openFlag.truncate)
      .u32(permissions)
      .u32(0o6755),
    {
      kind: 'open',
      path: path('/a/../b'),
      flags: { ...none, write: true, create: true, truncate: true },
      mode: 0o755,
    },
  ],
  [
    'open',
    paths('a')
      .u32(openFlag.read | openFlag.append | openFlag.create | openFlag.exclusive)
      .u32(0),
    {
      kind: 'open',
      path: path('a'),
      flags: { read: true, write: true, append: true, create: true, exclusive: true, truncate: false },
      mode: 0o666,
    },
  ],
  ['close', new FieldWriter().bytes(ours), { kind: 'close', handle: 77 }],
  ['close', new FieldWriter().bytes(read), 'reads'],
  ['fsync', new FieldWriter().bytes(ours), { kind: 'sync', handle: 77 }],
  ['fsync', new FieldWriter().bytes(read), 'reads'],
  [
    'fsetstat',
    withAll(new FieldWriter().bytes(ours)),
    { kind: 'set-handle-attributes', handle: 77, attributes: all },
  ],
  [
    'setstat',
    withAll(paths('a')),
    { kind: 'set-attributes', path: path('a'), follow: true, attributes: all },
  ],
  [
    'lsetstat',
    withAll(paths('a')),
    {
      kind: 'set-attributes',
      path: path('a'),
      follow: false,
      attributes: { accessedAtUs: 1e12, modifiedAtUs: 4_294_967_295e6 },
    },
  ],
  ['remove', paths('a'), { kind: 'remove', path: path('a') }],
  ['mkdir', paths('a//').u32(0), { kind: 'mkdir', path: path('a'), mode: 0o777 }],
  ['mkdir', paths('/').u32(permissions).u32(0o7700), { kind: 'mkdir', path: path('/'), mode: 0o700 }],
  ['rmdir', paths('a/'), { kind: 'rmdir', path: path('a') }],
  ['rename', paths('a/', 'b/'), { kind: 'rename', from: path('a'), to: path('b'), replace: false }],
  ['posix-rename', paths('a', 'b'), { kind: 'rename', from: path('a'), to: path('b'), replace: true }],
  ['hardlink', paths('a', 'b'), { kind: 'link', existing: path('a'), path: path('b') }],
  ['symlink', paths('target', 'link'), { kind: 'symlink', path: path('link'), target: path('target') }],
];

describe('what a request of SFTP asks of the engine', () => {
  for (const [name, fields, expected] of cases)
    it(`${name}: ${expected === 'reads' ? 'nothing' : JSON.stringify(expected).slice(0, 60)}`, () => {
      const change = changeOf(name, new FieldReader(fields.packet(0).subarray(5)), lookups);
      assert.deepEqual(change, expected);
    });

  it('is that of a client that names the link first', () => {
    const fields = new FieldReader(paths('link', 'target').packet(0).subarray(5));
    const change = changeOf('symlink', fields, { ...lookups, linkFirst: true });
    assert.deepEqual(change, { kind: 'symlink', path: path('link'), target: path('target') });
  });

  it('is not an owner', () => {
    const fields = paths('a').u32(owner).u32(0).u32(0);
    assert.throws(() => changeOf('setstat', new FieldReader(fields.packet(0).subarray(5)), lookups), /Owner/);
  });

  it('is said for each of them', () => {
    const source = readFileSync(join(import.meta.dirname, '../../../../sftp-node/sftp/requests.ts'), 'utf8');
    const names = [...source.matchAll(/name: '([a-z-]+)'/g)].map((match) => String(match[1]));
    const others = ['write', 'limits', 'unsupported', 'malformed'];
    assert.deepEqual(Object.keys(changes).sort(), names.filter((name) => !others.includes(name)).sort());
  });
});
