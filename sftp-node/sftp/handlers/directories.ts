import {
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  opendirSync,
  openSync,
  rmdirSync,
  type Stats,
} from 'node:fs';
import type { Operation } from '#contracts/journal/operation.ts';
import type { Place } from '../../paths/jail.ts';
import { wallTimeMs } from '../../wall-time.ts';
import { shown } from '../audit.ts';
import { type Handler, type SessionContext, syncAndClose, withDirectories } from '../context.ts';
import { longname } from '../longname.ts';
import { statusCode } from '../protocol.ts';
import { handleReply, type NamedEntry, nameReply, okReply, statusReply } from '../replies.ts';
import { StatusError } from '../status-error.ts';

/** Names in one READDIR reply: a hundred long names with their attributes stay well below the packet limit. */
const namesPerReply = 100;

export const opendir: Handler = (context, id, fields) => {
  context.handles.assertRoom();
  const handle = context.jail.with(fields.path(), { follow: true }, (place) => {
    const fd = openSync(place.at, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    try {
      // The option is there, its type is not: names come as bytes.
      const entries = opendirSync(`/proc/self/fd/${fd}`, {
        encoding: 'buffer' as BufferEncoding,
        bufferSize: 128,
      });
      return { kind: 'directory' as const, entries, fd };
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  });
  return handleReply(id, context.handles.add(handle));
};

export const readdir: Handler = (context, id, fields) => {
  const { entries, fd } = context.handles.directory(fields.bytes());
  const found: NamedEntry[] = [];
  while (found.length < namesPerReply) {
    const entry = entries.readSync();
    if (entry === null) break;
    const name = entry.name as unknown as Buffer;
    const stats = statsOf(fd, name);
    if (stats !== null)
      found.push({ name, stats, longname: longname(name, stats, context.user, wallTimeMs()) });
  }
  return found.length === 0
    ? statusReply(id, statusCode.endOfFile, 'End of directory')
    : nameReply(id, found);
};

/** Null when the entry is gone by now. */
function statsOf(fd: number, name: Buffer): Stats | null {
  return (
    lstatSync(Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), name]), { throwIfNoEntry: false }) ?? null
  );
}

export function directoryMode(asked: number | undefined): number {
  return ((asked ?? 0o777) & 0o755) | 0o700;
}

export const mkdir: Handler = async (context, id, fields) => {
  const path = withoutSlash(fields.path());
  const mode = directoryMode(fields.attributes().mode);
  const [sequence, parents] = context.jail.with(path, { follow: false }, (place) => {
    if (place.isHome) throw new StatusError(statusCode.failure, 'It exists already');
    return changeDirectory(context, place, { kind: 'mkdir', path: place.relative, mode }, () =>
      mkdirSync(place.at, { mode }),
    );
  });
  await context.mutations.durable(sequence, () => syncAndClose(parents));
  return okReply(id);
};

export const rmdir: Handler = async (context, id, fields) => {
  const path = withoutSlash(fields.path());
  const [sequence, parents] = context.jail.with(path, { follow: false }, (place) => {
    if (place.isHome) throw new StatusError(statusCode.permissionDenied, 'The home cannot be removed');
    return changeDirectory(context, place, { kind: 'rmdir', path: place.relative }, () =>
      rmdirSync(place.at),
    );
  });
  await context.mutations.durable(sequence, () => syncAndClose(parents));
  return okReply(id);
};

function changeDirectory(context: SessionContext, place: Place, operation: Operation, change: () => void) {
  const { kind } = operation;
  const made = withDirectories([place], () => context.mutations.apply(operation, change, true).sequence);
  context.audit.info({ audit: kind, path: shown(place.relative) }, kind);
  return made;
}

/** A directory may be named with a slash at its end, as mkdir(2) takes it. */
export function withoutSlash(path: Buffer): Buffer {
  let end = path.length;
  while (end > 1 && path[end - 1] === 0x2f) end -= 1;
  return path.subarray(0, end);
}
