import { lstatSync, readdirSync } from 'node:fs';
import { codeOf } from '#contracts/errors.ts';
import { kindOf } from '../clients/settle.ts';

/** What a host has on its disk at a path, at a moment while clients go on. */
export interface OnHost {
  readonly host: string;
  /** What it is, or the code of the error. */
  readonly what: string;
  /** Of a folder, in order; of bytes, one a character. */
  readonly names: readonly string[];
}

/** @param homes the user's home on each host, by the host's name; the path is from there */
export function lookOnHosts(homes: ReadonlyMap<string, string>, path: string): OnHost[] {
  return [...homes].map(([host, home]) => {
    try {
      return { host, ...lookAt(Buffer.from(`${home}/${path}`, 'latin1')) };
    } catch (error) {
      return { host, what: codeOf(error), names: [] };
    }
  });
}

function lookAt(place: Buffer): Omit<OnHost, 'host'> {
  const { mode, size } = lstatSync(place);
  const kind = kindOf(mode);
  if (kind !== 'folder') return { what: `a ${kind} of ${size} bytes`, names: [] };
  const names = readdirSync(place, { encoding: 'buffer' }).map((name) => name.toString('latin1'));
  return { what: names.length === 0 ? 'an empty folder' : 'a folder', names: names.sort() };
}
