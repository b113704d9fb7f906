import { createHash } from 'node:crypto';
import { splitPath } from '../tree/path.ts';

/**
 * The names in the quarantine folder:
 *
 *     aside-<epoch>-<time>/000001.json        the record of the first thing
 *     aside-<epoch>-<time>/000001-<name>      the thing itself, under the last part of its path
 *     <epoch>-host-keys-<digest>/             host keys of this host, as one thing
 *     <epoch>-host-keys-<digest>.record.json  their record
 *     .discarded/                             not quarantine: files on their way out
 *     .staging/                               of releases before the storage engine: files on their way in
 *
 * Anything else is one thing without a record: releases before these records made folders `<epoch>-<time>`.
 */
export const discardedFolder = '.discarded';
const recordSuffix = '.record.json';

/** @param at wall time, for people */
export function batchName(epoch: number, at: Date): string {
  return `aside-${epoch}-${at.toISOString().replaceAll(':', '')}`;
}

export function isBatch(name: string): boolean {
  return /^aside-\d{1,16}-[\dTZ.-]{1,32}$/.test(name);
}

export function recordName(number: number): string {
  return `${padded(number)}.json`;
}

/** Names are at most 255 bytes long. */
export function thingName(number: number, path: Buffer): Buffer {
  const name = splitPath(path).at(-1) ?? Buffer.from('root');
  return Buffer.concat([Buffer.from(`${padded(number)}-`), name.subarray(0, 240)]);
}

/** The number of a thing in a batch by its name, one character a byte; null: it is none. */
export function numberOfThing(name: string): number | null {
  const [, digits] = /^(\d{6,15})-/.exec(name) ?? [];
  return digits === undefined ? null : Number(digits);
}

/** The number of a record in a batch by its name; null: it is none. */
export function numberOfRecord(name: string): number | null {
  const [, digits] = /^(\d{6,15})\.json$/.exec(name) ?? [];
  return digits === undefined ? null : Number(digits);
}

/** The record of a folder that is one thing as a whole. */
export function folderRecordName(folder: string): string {
  return `${folder}${recordSuffix}`;
}

export function isFolderRecord(name: string): boolean {
  return name.endsWith(recordSuffix);
}

/** The record of the thing at a place (below the quarantine folder, one character a byte). */
export function recordPlaceOf(place: string): string {
  const [batch = '', name] = place.split('/');
  if (name === undefined) return folderRecordName(batch);
  return `${batch}/${recordName(numberOfThing(name) ?? 0)}`;
}

/** The same for as long as the thing lies there; made of where it lies, so that no record can claim another's. */
export function idOf(place: string): string {
  return createHash('sha256').update(place, 'latin1').digest('hex').slice(0, 12);
}

/** What the name of a folder without a record tells: releases before put epoch and time there. */
export function toldByName(name: string): { epoch: number | null; at: Date | null; isHostKeys: boolean } {
  const [, epoch] = /^(\d{1,15})-/.exec(name) ?? [];
  const [, day, hour, minute, second] =
    /^\d{1,15}-(\d{4}-\d\d-\d\dT)(\d\d)(\d\d)(\d\d\.\d{3}Z)$/.exec(name) ?? [];
  const at = day === undefined ? null : new Date(`${day}${hour}:${minute}:${second}`);
  return {
    epoch: epoch === undefined ? null : Number(epoch),
    at: at === null || Number.isNaN(at.getTime()) ? null : at,
    isHostKeys: /^\d{1,15}-host-keys-/.test(name),
  };
}

function padded(number: number): string {
  return String(number).padStart(6, '0');
}
