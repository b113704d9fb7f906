import type { Epoch, NodeId } from '#contracts/identities.ts';
import {
  commonRootId,
  type RootName,
  type RootRecord,
  type RootsReport,
  rootNames,
} from '#contracts/roots.ts';
import type { Cause } from '../cause.ts';
import type { HostRecord } from '../records/host.ts';

/** What is known of a host's roots: by itself, and by etcd. */
export interface RootFacts {
  readonly cluster: string;
  readonly node: NodeId;
  readonly roots: RootsReport;
  /** The highest epoch of the state folder. */
  readonly highestEpoch: Epoch;
  /** What etcd says that this host had; null: nothing. */
  readonly known: HostRecord | null;
  /** Whether the cluster ever had a leader. */
  readonly founded: boolean;
}

export const rootCodes = ['ROOT_EMPTY', 'ROOT_FOREIGN', 'ROOT_BEHIND'];

/** Whether a reason against a host is that its roots are not what it held. */
export function isAboutRoots(code: string): boolean {
  return rootCodes.includes(code);
}

/** Whether what a host holds may be relied on. */
export type Agreement =
  | { readonly is: 'agreed'; readonly id: string }
  /** The roots may get their identity as they are. */
  | { readonly is: 'nameless'; readonly why: 'FIRST_START' | 'ADOPTED' }
  | { readonly is: 'newcomer'; readonly cause: Cause };

/**
 * Roots agree when all of them carry one identity of this host, none is older than the others, and none is older than
 * what etcd says. Roots without any identity are a host's first only in a cluster that never had a leader. Otherwise
 * they are empty or foreign, but for those of a release that wrote no identities: etcd has no record of such a host, and
 * state, files and host keys are there. None of this makes a host in sync that etcd does not say is.
 */
export function agreementOf(facts: RootFacts): Agreement {
  const { roots, known, founded } = facts;
  const records = rootNames.map((name) => roots[name].record);
  if (records.every((record) => record === null)) {
    if (!founded) return { is: 'nameless', why: 'FIRST_START' };
    if (known === null && isOfEarlierRelease(facts)) return { is: 'nameless', why: 'ADOPTED' };
  }
  const cause = disagreement(facts);
  return cause === null ? { is: 'agreed', id: roots.state.record?.id ?? '' } : { is: 'newcomer', cause };
}

function isOfEarlierRelease({ roots, highestEpoch }: RootFacts): boolean {
  // A newcomer has all of that too, once it follows.
  if (roots.areCompared === true) return false;
  return highestEpoch > 0 && !roots.data.isEmpty && !roots.config.isEmpty;
}

function disagreement(facts: RootFacts): Cause | null {
  for (const name of rootNames) {
    const cause = emptyOrForeign(facts, name);
    if (cause !== null) return cause;
  }
  const { data, config, state } = facts.roots;
  if (data.record === null || config.record === null || state.record === null) return null;
  if (commonRootId(facts.roots) === null) {
    const ids = rootNames.map((name) => `${name} ${facts.roots[name].record?.id}`).join(', ');
    return { code: 'ROOT_FOREIGN', sentence: `the roots of this host are not of one time: ${ids}` };
  }
  return behindEachOther(facts, data.record, config.record, state.record) ?? behindEtcd(facts, state.record);
}

function emptyOrForeign({ cluster, node, roots }: RootFacts, name: RootName): Cause | null {
  const { path, record, isEmpty, place } = roots[name];
  if (record === null) {
    const what = isEmpty ? 'is empty' : 'carries no identity';
    return { code: 'ROOT_EMPTY', sentence: `the ${name} root ${path} ${what}: it is new, or not mounted` };
  }
  if (record.cluster !== cluster || record.host !== node) {
    const whose = `host ${record.host} of cluster ${record.cluster}`;
    return { code: 'ROOT_FOREIGN', sentence: `the ${name} root ${path} is that of ${whose}` };
  }
  if (record.holdsFiles && isEmpty) {
    const moved = record.place === place ? '' : ', and is on another disk than it was';
    const lost = name === 'config' ? 'has no host keys' : 'holds no files';
    return { code: 'ROOT_EMPTY', sentence: `the ${name} root ${path} ${lost}, where it did${moved}` };
  }
  return null;
}

/** The state is written last, and so is never ahead of the others, nor more than one writing behind. */
function behindEachOther(
  { roots, highestEpoch }: RootFacts,
  data: RootRecord,
  config: RootRecord,
  state: RootRecord,
): Cause | null {
  const behind = (name: RootName) => ({
    code: 'ROOT_BEHIND',
    sentence: `the ${name} root ${roots[name].path} is older than the others: it was restored from a copy`,
  });
  if (data.revision < state.revision) return behind('data');
  if (config.revision < state.revision) return behind('config');
  if (Math.max(data.revision, config.revision) > state.revision + 1) return behind('state');
  return highestEpoch < state.held.epoch ? behind('state') : null;
}

/**
 * Of two identities the later one counts: roots that were admitted after what etcd has on record are this host's newest,
 * when etcd could not be written, or was restored from a snapshot.
 */
function behindEtcd({ known }: RootFacts, state: RootRecord): Cause | null {
  if (known === null || state.admittedAt > known.admittedAt) return null;
  if (state.id !== known.id) {
    const sentence = `the roots are an earlier set of this host: etcd knows a later one, ${known.id}`;
    return { code: 'ROOT_FOREIGN', sentence };
  }
  if (state.revision >= known.revision && state.held.epoch >= known.held.epoch) return null;
  const [here, there] = [state.held, known.held].map(({ epoch, sequence }) => `${epoch}/${sequence}`);
  const sentence = `the roots hold ${here}, and etcd says that this host held ${there}: they were restored from a copy`;
  return { code: 'ROOT_BEHIND', sentence };
}
