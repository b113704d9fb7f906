import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  linkSync,
  lstatSync,
  lutimesSync,
  openSync,
  readlinkSync,
  renameSync,
  type Stats,
  statfsSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import type { Attributes, Operation } from '#contracts/journal/operation.ts';
import { O_PATH, type Place } from '../../paths/jail.ts';
import { shown, shownAttributes } from '../audit.ts';
import { type Handler, orClose, type SessionContext, syncAndClose, withDirectories } from '../context.ts';
import { FieldWriter } from '../fields.ts';
import { statusCode } from '../protocol.ts';
import { attributesReply, extendedReply, nameReply, okReply } from '../replies.ts';
import { StatusError } from '../status-error.ts';
import { withoutSlash } from './directories.ts';
import { setAttributes, settable } from './files.ts';

export const lstat: Handler = (context, id, fields) =>
  attributesReply(
    id,
    context.jail.with(fields.path(), { follow: false }, (place) => lstatSync(place.at)),
  );

export const stat: Handler = (context, id, fields) =>
  attributesReply(
    id,
    context.jail.with(fields.path(), { follow: true }, (place) => statsAt(place)),
  );

/** The walk ended at what is no link. One that took its place since is not followed: it may lead out of the home. */
function statsAt(place: Place): Stats {
  const stats = lstatSync(place.at);
  if (stats.isSymbolicLink()) throw swapped();
  return stats;
}

function swapped(): StatusError {
  return new StatusError(statusCode.noSuchFile, 'The file was replaced by a symbolic link meanwhile');
}

export const realpath: Handler = (context, id, fields) => {
  const name = context.jail.canonical(fields.path());
  return nameReply(id, [{ name, longname: name, stats: null }]);
};

export const readlink: Handler = (context, id, fields) => {
  const name = context.jail.with(fields.path(), { follow: false }, (place) =>
    readlinkSync(place.at, { encoding: 'buffer' }),
  );
  return nameReply(id, [{ name, longname: name, stats: null }]);
};

export const setstat: Handler = async (context, id, fields) => {
  const path = fields.path();
  const asked = settable(fields);
  const { sequence, fd } = context.jail.with(path, { follow: true }, (place) => {
    const fd = openForAttributes(place, asked);
    const attributes = fstatSync(fd).isDirectory() ? forDirectory(asked) : asked;
    const operation: Operation = { kind: 'set-attributes', path: place.relative, attributes };
    const change = () => setAttributes(fd, attributes);
    const { sequence } = orClose([fd], () => context.mutations.apply(operation, change, true));
    auditAttributes(context, place, attributes);
    return { sequence, fd };
  });
  await context.mutations.durable(sequence, () => syncAndClose([fd]));
  return okReply(id);
};

function auditAttributes({ audit }: SessionContext, place: Place, attributes: Attributes): void {
  audit.info({ audit: 'setstat', path: shown(place.relative), ...shownAttributes(attributes) }, 'setstat');
}

/** The service must be able to enter what it owns. */
function forDirectory(asked: Attributes): Attributes {
  return asked.mode === undefined ? asked : { ...asked, mode: asked.mode | 0o700 };
}

/** A file of mode 0200, say from a restore by hand, is made readable first: the service owns it. */
function openForAttributes(place: Place, { size }: Attributes): number {
  const flags =
    (size === undefined ? constants.O_RDONLY : constants.O_WRONLY) |
    constants.O_NOFOLLOW |
    constants.O_NONBLOCK;
  try {
    return openSync(place.at, flags);
  } catch (error) {
    makeReadable(place, error);
    return openSync(place.at, flags);
  }
}

/** Through a handle: what takes the name's place meanwhile is not changed. @throws `refusal` when that is no help */
function makeReadable(place: Place, refusal: unknown): void {
  const entry = openEntry(place);
  try {
    const stats = fstatSync(entry);
    if (!stats.isFile() || (stats.mode & 0o600) === 0o600) throw refusal;
    chmodSync(`/proc/self/fd/${entry}`, (stats.mode & 0o777) | 0o600);
  } finally {
    closeSync(entry);
  }
}

/** The entry itself, whatever its mode and kind. The caller closes. */
function openEntry({ at }: Place): number {
  return openSync(at, O_PATH | constants.O_NOFOLLOW);
}

/** Sets the times of a symbolic link itself; its mode means nothing on Linux. */
export const lsetstat: Handler = async (context, id, fields) => {
  const path = fields.path();
  const attributes = settable(fields);
  const { accessedAt, modifiedAt } = attributes;
  const isLink = context.jail.with(path, { follow: false }, (place) => {
    if (!lstatSync(place.at).isSymbolicLink()) return false;
    if (accessedAt === undefined || modifiedAt === undefined) return true;
    lutimesSync(place.at, accessedAt, modifiedAt);
    auditAttributes(context, place, { accessedAt, modifiedAt });
    return true;
  });
  if (isLink) return okReply(id);
  throw new StatusError(statusCode.operationUnsupported, 'lsetstat works on symbolic links; use setstat');
};

export const remove: Handler = (context, id, fields) =>
  changeName(context, id, fields.path(), 'remove', (place) => ({
    operation: { kind: 'remove', path: place.relative },
    change: () => unlinkSync(place.at),
  }));

export const symlink: Handler = (context, id, fields) => {
  // OpenSSH's order, the reverse of the draft's, which all clients have adopted: target first.
  const target = Buffer.from(fields.path());
  return changeName(context, id, fields.path(), 'symlink', (place) => ({
    operation: { kind: 'symlink', path: place.relative, target },
    change: () => symlinkSync(target, place.at),
  }));
};

/** One change of one name, durable with its directory. */
async function changeName(
  context: SessionContext,
  id: number,
  path: Buffer,
  event: string,
  plan: (place: Place) => { operation: Operation; change: () => void },
): Promise<Buffer> {
  const [sequence, parents] = context.jail.with(path, { follow: false }, (place) => {
    if (place.isHome) throw new StatusError(statusCode.permissionDenied, 'The home itself cannot be changed');
    const { operation, change } = plan(place);
    const made = withDirectories([place], () => context.mutations.apply(operation, change, true).sequence);
    const target = operation.kind === 'symlink' ? shown(operation.target) : undefined;
    context.audit.info({ audit: event, path: shown(place.relative), target }, event);
    return made;
  });
  await context.mutations.durable(sequence, () => syncAndClose(parents));
  return okReply(id);
}

/** SSH_FXP_RENAME never replaces; posix-rename@openssh.com does. */
export const rename: Handler = (context, id, fields) =>
  changeTwo(context, id, withoutSlash(fields.path()), withoutSlash(fields.path()), 'rename', (from, to) => {
    if (lstatSync(to.at, { throwIfNoEntry: false }) !== undefined) {
      throw new StatusError(statusCode.failure, 'The new name exists already');
    }
    return renaming(from, to);
  });

export const posixRename: Handler = (context, id, fields) =>
  changeTwo(context, id, withoutSlash(fields.path()), withoutSlash(fields.path()), 'rename', renaming);

function renaming(from: Place, to: Place) {
  const operation: Operation = { kind: 'rename', from: from.relative, to: to.relative };
  return { operation, change: () => renameSync(from.at, to.at) };
}

export const hardlink: Handler = (context, id, fields) =>
  changeTwo(context, id, fields.path(), fields.path(), 'link', (existing, to) => ({
    operation: { kind: 'link', existing: existing.relative, path: to.relative },
    change: () => linkSync(existing.at, to.at),
  }));

async function changeTwo(
  context: SessionContext,
  id: number,
  first: Buffer,
  second: Buffer,
  event: string,
  plan: (first: Place, second: Place) => { operation: Operation; change: () => void },
): Promise<Buffer> {
  const { jail, mutations, audit } = context;
  const [sequence, parents] = jail.with(first, { follow: false }, (from) =>
    jail.with(second, { follow: false }, (to) => {
      if (from.isHome || to.isHome)
        throw new StatusError(statusCode.permissionDenied, 'The home itself cannot be changed');
      const { operation, change } = plan(from, to);
      const made = withDirectories([from, to], () => mutations.apply(operation, change, true).sequence);
      audit.info({ audit: event, path: shown(from.relative), to: shown(to.relative) }, event);
      return made;
    }),
  );
  await mutations.durable(sequence, () => syncAndClose(parents));
  return okReply(id);
}

export const statvfs: Handler = (context, id, fields) =>
  extendedReply(
    id,
    context.jail.with(fields.path(), { follow: true }, (place) => {
      const entry = openEntry(place);
      try {
        return fileSystem(`/proc/self/fd/${entry}`);
      } finally {
        closeSync(entry);
      }
    }),
  );

export const fstatvfs: Handler = (context, id, fields) =>
  extendedReply(id, fileSystem(`/proc/self/fd/${context.handles.get(fields.bytes()).fd}`));

/** struct statvfs, as OpenSSH's PROTOCOL lists it. */
function fileSystem(path: Buffer | string): Buffer {
  const { bsize, blocks, bfree, bavail, files, ffree } = statfsSync(path);
  const writer = new FieldWriter();
  for (const value of [bsize, bsize, blocks, bfree, bavail, files, ffree, ffree, 0, 0, 255])
    writer.u64(value);
  return writer.packet(0).subarray(5);
}
