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
import { wallTimeMs } from '../../wall-time.ts';
import { type Handler, holdDirectory, type SessionContext, shown, syncAndClose } from '../context.ts';
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
  const path = fields.path();
  const mode = directoryMode(fields.attributes().mode);
  const { sequence, parent } = makeDirectory(context, path, mode);
  await context.mutations.durable(sequence, () => syncAndClose([parent]));
  return okReply(id);
};

function makeDirectory(context: SessionContext, path: Buffer, mode: number) {
  return context.jail.with(path, { follow: false }, (place) => {
    if (place.isHome) throw new StatusError(statusCode.failure, 'It exists already');
    const change = () => mkdirSync(place.at, { mode });
    const { sequence } = context.mutations.apply({ kind: 'mkdir', path: place.relative, mode }, change, true);
    context.audit.info({ audit: 'mkdir', path: shown(place.relative) }, 'mkdir');
    return { sequence, parent: holdDirectory(place) };
  });
}

export const rmdir: Handler = async (context, id, fields) => {
  const { sequence, parent } = context.jail.with(fields.path(), { follow: false }, (place) => {
    if (place.isHome) throw new StatusError(statusCode.permissionDenied, 'The home cannot be removed');
    const change = () => rmdirSync(place.at);
    const { sequence } = context.mutations.apply({ kind: 'rmdir', path: place.relative }, change, true);
    context.audit.info({ audit: 'rmdir', path: shown(place.relative) }, 'rmdir');
    return { sequence, parent: holdDirectory(place) };
  });
  await context.mutations.durable(sequence, () => syncAndClose([parent]));
  return okReply(id);
};
