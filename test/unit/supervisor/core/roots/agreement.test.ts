import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RootName, RootRecord, RootsReport } from '#contracts/roots.ts';
import { agreementOf, type RootFacts } from '../../../../../supervisor/core/roots/agreement.ts';
import { rootsOf } from '../leadership/host.ts';

/** A host of a cluster that has led: its roots agree with each other, its state and etcd. */
const sound: RootFacts = {
  cluster: 'test',
  node: 'a',
  roots: rootsOf('a', 'r'),
  highestEpoch: 5,
  known: { node: 'a', id: 'r', admittedAt: 10, held: { epoch: 0, sequence: 0 }, revision: 3 },
  founded: true,
};

const nameless = change(null, 'data', 'config', 'state').roots;

/** With the record of some roots changed; null: they carry none. */
function change(record: Partial<RootRecord> | null, ...names: RootName[]): RootFacts {
  return { ...sound, roots: changed(sound.roots, record, ...names) };
}

function changed(roots: RootsReport, record: Partial<RootRecord> | null, ...names: RootName[]): RootsReport {
  const all = names.map((name) => {
    const old = roots[name].record;
    const next = record === null || old === null ? null : { ...old, ...record };
    return [name, { ...roots[name], record: next }];
  });
  return { ...roots, ...Object.fromEntries(all) };
}

function emptied(roots: RootsReport, ...names: RootName[]): RootsReport {
  return { ...roots, ...Object.fromEntries(names.map((name) => [name, { ...roots[name], isEmpty: true }])) };
}

const allRoots = ['data', 'config', 'state'] as const;
const held = { epoch: 5, sequence: 7 };

const rows: [what: string, facts: RootFacts, expected: string][] = [
  ['sound', sound, 'agreed'],
  ['sound, and etcd has no record of it', { ...sound, known: null }, 'agreed'],

  ['all folders lost', { ...sound, roots: nameless, highestEpoch: 0 }, 'ROOT_EMPTY'],
  ['all folders lost, etcd has no record of it', lost({ known: null }), 'ROOT_EMPTY'],
  ['all folders lost, and etcd too', lost({ known: null, founded: false }), 'FIRST_START'],
  ['the data folder lost', change(null, 'data'), 'ROOT_EMPTY'],
  ['the config folder lost', change(null, 'config'), 'ROOT_EMPTY'],
  ['the state folder lost', { ...change(null, 'state'), highestEpoch: 0 }, 'ROOT_EMPTY'],
  ['the data folder lost, and etcd new', { ...change(null, 'data'), founded: false }, 'ROOT_EMPTY'],
  ['the files gone, the record there', { ...sound, roots: emptied(sound.roots, 'data') }, 'ROOT_EMPTY'],
  ['the host keys gone, the record there', { ...sound, roots: emptied(sound.roots, 'config') }, 'ROOT_EMPTY'],
  [
    'no files yet',
    { ...sound, roots: emptied(change({ holdsFiles: false }, 'data').roots, 'data') },
    'agreed',
  ],

  ['the disk of another host', change({ host: 'b' }, 'data'), 'ROOT_FOREIGN'],
  ['the disks of another host', change({ host: 'b' }, ...allRoots), 'ROOT_FOREIGN'],
  ['the disk of another cluster', change({ cluster: 'old' }, 'data'), 'ROOT_FOREIGN'],
  ['an older disk of this host', change({ id: 'older' }, 'data'), 'ROOT_FOREIGN'],
  ['all older disks of this host', change({ id: 'older', admittedAt: 4 }, ...allRoots), 'ROOT_FOREIGN'],
  ['a copy of the disk, elsewhere mounted', change({ place: '9:9' }, 'data'), 'agreed'],

  ['data restored from a copy', change({ revision: 2 }, 'data'), 'ROOT_BEHIND'],
  ['config restored from a copy', change({ revision: 2 }, 'config'), 'ROOT_BEHIND'],
  ['state restored from a copy', { ...change({ revision: 1 }, 'state'), known: null }, 'ROOT_BEHIND'],
  ['died between two records', { ...change({ revision: 2 }, 'state'), known: null }, 'agreed'],
  ['the epoch forgotten', { ...change({ held }, 'state'), highestEpoch: 4 }, 'ROOT_BEHIND'],
  ['everything restored from a copy', change({ revision: 2 }, ...allRoots), 'ROOT_BEHIND'],
  [
    'everything restored from a copy of an earlier epoch',
    { ...sound, known: known({ held }) },
    'ROOT_BEHIND',
  ],

  ['etcd does not know of the admission', { ...sound, known: known({ id: 'q', admittedAt: 4 }) }, 'agreed'],
  [
    'etcd knows of a later admission',
    { ...sound, known: known({ id: 's', admittedAt: 12 }) },
    'ROOT_FOREIGN',
  ],

  ['of an earlier release', { ...sound, roots: nameless, known: null }, 'ADOPTED'],
  [
    'not of an earlier release: being compared',
    ofEarlier({ roots: { ...nameless, areCompared: true } }),
    'ROOT_EMPTY',
  ],
  ['of an earlier release, no files', ofEarlier({ roots: emptied(nameless, 'data') }), 'ROOT_EMPTY'],
  ['of an earlier release, no host keys', ofEarlier({ roots: emptied(nameless, 'config') }), 'ROOT_EMPTY'],
  ['of an earlier release, no state', ofEarlier({ highestEpoch: 0 }), 'ROOT_EMPTY'],
  ['not of an earlier release: etcd has a record', ofEarlier({ known: sound.known }), 'ROOT_EMPTY'],
];

function lost(parts: Partial<RootFacts>): RootFacts {
  return { ...sound, roots: emptied(nameless, ...allRoots), highestEpoch: 0, ...parts };
}

function ofEarlier(parts: Partial<RootFacts>): RootFacts {
  return { ...sound, roots: nameless, known: null, ...parts };
}

function known(parts: Partial<NonNullable<RootFacts['known']>>): RootFacts['known'] {
  return sound.known && { ...sound.known, ...parts };
}

describe('what the roots of a host say (G5)', () => {
  for (const [what, facts, expected] of rows) {
    it(`${what}: ${expected}`, () => {
      const agreement = agreementOf(facts);
      const found =
        agreement.is === 'newcomer'
          ? agreement.cause.code
          : agreement.is === 'nameless'
            ? agreement.why
            : agreement.is;
      assert.equal(found, expected, JSON.stringify(agreement));
    });
  }
});
