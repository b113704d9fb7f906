import { closeSync, constants, lstatSync, opendirSync, openSync, type Stats } from 'node:fs';
import { wallTimeMs } from '../../wall-time.ts';
import type { Handler } from '../context.ts';
import { longname } from '../longname.ts';
import { statusCode } from '../protocol.ts';
import { handleReply, type NamedEntry, nameReply, statusReply } from '../replies.ts';

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
