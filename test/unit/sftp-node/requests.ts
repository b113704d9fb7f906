import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FieldWriter } from '../../../sftp-node/sftp/fields.ts';
import { attributeFlag, openFlag, packetType } from '../../../sftp-node/sftp/protocol.ts';
import type { RawSession } from '../../integration/sftp-node/raw-session.ts';

export interface Client {
  readonly raw: RawSession;
}

/** One request that succeeds in a home that `prepare` made. */
export interface Case {
  readonly name: string;
  readonly type: number;
  /** What follows the id. */
  readonly fields: (session: Client) => Promise<FieldWriter> | FieldWriter;
  /** The type of the reply; by default STATUS. */
  readonly reply?: number;
  /** Bytes of the fields that say which extended request it is. */
  readonly fixed?: number;
  /** Whether its success tells of a change; `durable`: which is then on the disks of the peers (G3). */
  readonly mutates?: 'durable' | 'at-once';
  /** What must be on disk before its success is told, from the home; the empty name is the home itself (G3). */
  readonly synced?: readonly string[];
}

/** A file, a directory, an empty one, and a link. */
export function prepare(home: string): void {
  writeFileSync(join(home, 'f'), 'content');
  mkdirSync(join(home, 'd'));
  mkdirSync(join(home, 'empty'));
  symlinkSync('f', join(home, 'l'));
}

const { size, permissions, times, extended } = attributeFlag;
const paths = (...names: readonly string[]) => {
  const fields = new FieldWriter();
  for (const name of names) fields.text(name);
  return fields;
};
const attributes = (fields: FieldWriter) =>
  fields
    .u32((size | permissions | times | extended) >>> 0)
    .u64(3)
    .u32(0o600)
    .u32(1_000_000)
    .u32(1_000_000)
    .u32(1)
    .text('x@example.org')
    .text('y');
const opened = async (session: Client, path: string, flags: number) => {
  const handle = await session.raw.open(path, flags);
  if (handle === null) throw new Error(`${path} was not opened`);
  return handle;
};
const written = (session: Client) => opened(session, '/f', openFlag.read | openFlag.write);
const changed = async (session: Client) => {
  const handle = await written(session);
  await session.raw.write(handle, 0, Buffer.from('content'));
  return handle;
};
const extendedCase = (name: string, rest: Case['fields'], more: Partial<Case> = {}): Case => ({
  name,
  type: packetType.extended,
  fields: async (session) => new FieldWriter().text(name).raw((await rest(session)).packet(0).subarray(5)),
  fixed: 4 + name.length,
  ...more,
});
const directory = async (session: Client) => {
  const { fields } = await session.raw.request(packetType.opendir, paths('/'));
  return Buffer.from(fields.bytes());
};

export const everyRequest: readonly Case[] = [
  {
    name: 'OPEN for reading',
    type: packetType.open,
    fields: () => paths('/f').u32(openFlag.read).u32(0),
    reply: packetType.handle,
  },
  {
    name: 'OPEN for writing',
    type: packetType.open,
    fields: () => attributes(paths('/new').u32(openFlag.write | openFlag.create)),
    reply: packetType.handle,
    mutates: 'at-once',
  },
  {
    name: 'CLOSE',
    type: packetType.close,
    fields: async (session) => new FieldWriter().bytes(await changed(session)),
    mutates: 'durable',
    synced: ['f'],
  },
  {
    name: 'CLOSE of a file that was read',
    type: packetType.close,
    fields: async (session) => new FieldWriter().bytes(await opened(session, '/f', openFlag.read)),
  },
  {
    name: 'READ',
    type: packetType.read,
    fields: async (session) =>
      new FieldWriter()
        .bytes(await written(session))
        .u64(0)
        .u32(10),
    reply: packetType.data,
  },
  {
    name: 'WRITE',
    type: packetType.write,
    fields: async (session) =>
      new FieldWriter()
        .bytes(await written(session))
        .u64(0)
        .text('content'),
    mutates: 'at-once',
  },
  { name: 'LSTAT', type: packetType.lstat, fields: () => paths('/l'), reply: packetType.attrs },
  { name: 'STAT', type: packetType.stat, fields: () => paths('/l'), reply: packetType.attrs },
  {
    name: 'FSTAT',
    type: packetType.fstat,
    fields: async (session) => new FieldWriter().bytes(await written(session)),
    reply: packetType.attrs,
  },
  {
    name: 'SETSTAT',
    type: packetType.setstat,
    fields: () => attributes(paths('/f')),
    mutates: 'durable',
    synced: ['f'],
  },
  {
    name: 'FSETSTAT',
    type: packetType.fsetstat,
    fields: async (session) => attributes(new FieldWriter().bytes(await written(session))),
    mutates: 'durable',
    synced: ['f'],
  },
  { name: 'OPENDIR', type: packetType.opendir, fields: () => paths('/d'), reply: packetType.handle },
  {
    name: 'READDIR',
    type: packetType.readdir,
    fields: async (session) => new FieldWriter().bytes(await directory(session)),
    reply: packetType.name,
  },
  { name: 'REMOVE', type: packetType.remove, fields: () => paths('/f'), mutates: 'durable', synced: [''] },
  {
    name: 'MKDIR',
    type: packetType.mkdir,
    fields: () => attributes(paths('/made')),
    mutates: 'durable',
    synced: ['', 'made'],
  },
  { name: 'RMDIR', type: packetType.rmdir, fields: () => paths('/empty'), mutates: 'durable', synced: [''] },
  { name: 'REALPATH', type: packetType.realpath, fields: () => paths('/d/..'), reply: packetType.name },
  {
    name: 'RENAME',
    type: packetType.rename,
    fields: () => paths('/f', '/d/g'),
    mutates: 'durable',
    synced: ['', 'd'],
  },
  { name: 'READLINK', type: packetType.readlink, fields: () => paths('/l'), reply: packetType.name },
  {
    name: 'SYMLINK',
    type: packetType.symlink,
    fields: () => paths('/m', '/m2'),
    mutates: 'durable',
    synced: [''],
  },
  extendedCase('posix-rename@openssh.com', () => paths('/f', '/l'), { mutates: 'durable', synced: [''] }),
  extendedCase('hardlink@openssh.com', () => paths('/f', '/d/h'), { mutates: 'durable', synced: ['d'] }),
  extendedCase('fsync@openssh.com', async (session) => new FieldWriter().bytes(await changed(session)), {
    mutates: 'durable',
    synced: ['f'],
  }),
  extendedCase('lsetstat@openssh.com', () => attributes(paths('/l')), { mutates: 'at-once' }),
  extendedCase('statvfs@openssh.com', () => paths('/d'), { reply: packetType.extendedReply }),
  extendedCase('fstatvfs@openssh.com', async (session) => new FieldWriter().bytes(await written(session)), {
    reply: packetType.extendedReply,
  }),
  extendedCase('limits@openssh.com', () => new FieldWriter(), { reply: packetType.extendedReply }),
];
