import { closeSync, constants, lstatSync, openSync, readlinkSync, type Stats, statfsSync } from 'node:fs';
import { O_PATH, type Place } from '../../paths/jail.ts';
import type { Handler } from '../context.ts';
import { FieldReader, FieldWriter } from '../fields.ts';
import { statusCode } from '../protocol.ts';
import { attributesReply, extendedReply, nameReply, okReply } from '../replies.ts';
import { StatusError } from '../status-error.ts';
import { changing } from './changes.ts';

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

const setTimesOfLink = changing('lsetstat');

/** Sets the times of a symbolic link itself; its mode means nothing on Linux. */
export const lsetstat: Handler = async (context, id, fields) => {
  const asked = new FieldReader(fields.rest);
  const path = asked.path();
  const { modifiedAt } = asked.attributes();
  await context.engine.readBarrier();
  if (!context.jail.with(path, { follow: false }, (place) => lstatSync(place.at).isSymbolicLink()))
    throw new StatusError(statusCode.operationUnsupported, 'lsetstat works on symbolic links; use setstat');
  return modifiedAt === undefined ? okReply(id) : await setTimesOfLink(context, id, fields);
};

export const statvfs: Handler = (context, id, fields) =>
  extendedReply(
    id,
    context.jail.with(fields.path(), { follow: true }, (place) => {
      const entry = openSync(place.at, O_PATH | constants.O_NOFOLLOW);
      try {
        return fileSystem(`/proc/self/fd/${entry}`);
      } finally {
        closeSync(entry);
      }
    }),
  );

export const fstatvfs: Handler = (context, id, fields) => {
  const { fd } = context.handles.get(fields.bytes());
  return extendedReply(id, fileSystem(fd === null ? context.tree.root : `/proc/self/fd/${fd}`));
};

/** struct statvfs, as OpenSSH's PROTOCOL lists it. */
function fileSystem(path: Buffer | string): Buffer {
  const { bsize, blocks, bfree, bavail, files, ffree } = statfsSync(path);
  const writer = new FieldWriter();
  for (const value of [bsize, bsize, blocks, bfree, bavail, files, ffree, ffree, 0, 0, 255])
    writer.u64(value);
  return writer.packet(0).subarray(5);
}
