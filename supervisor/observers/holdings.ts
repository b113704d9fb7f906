import type { Logger } from '#contracts/log.ts';
import { rootNames } from '#contracts/roots.ts';
import type { Cause } from '../core/cause.ts';
import type { RoleState } from '../core/leadership/state.ts';
import { standingOf } from '../core/roots/standing.ts';
import type { HealthFact } from '../runtime/ports.ts';

/** Whether this host's roots are what they should be, and whether a comparison waits for an operator. */
export function holdingFacts(state: RoleState): HealthFact[] {
  const facts: HealthFact[] = [];
  const cause = newcomerCause(state);
  if (cause !== null) {
    const level = heldSomething(state) ? 'bad' : 'warn';
    facts.push({ name: 'roots', level, code: cause.code, detail: cause.sentence });
  }
  const held = state.replicator.heldRemoval;
  if (held !== null) {
    const detail = `the comparison with ${held.leader} would take away ${held.files} of the ${held.of} files here: see \`holdfast replication\``;
    facts.push({ name: 'resync', level: 'bad', code: 'RESYNC_REMOVES_MUCH', detail });
  }
  return facts;
}

/** Says it in the log once, when it begins and when it is over. */
export class HoldingsObserver {
  readonly #log: Logger;
  #told: string | null = null;

  constructor(log: Logger) {
    this.#log = log;
  }

  onDecision(state: RoleState): void {
    const standing = standingOf(state);
    if (standing.is === 'unknown' || standing.is === 'nameless') return;
    const cause = standing.is === 'newcomer' ? standing.cause : null;
    if (cause?.code === this.#told || (cause === null && this.#told === null)) return;
    this.#told = cause?.code ?? null;
    if (cause === null) {
      this.#log.info('the roots of this host have their identity: what they hold counts again');
    } else if (heldSomething(state)) {
      this.#log.error({ code: cause.code }, `this host leaves the in-sync set: ${cause.sentence}`);
    } else this.#log.info({ code: cause.code }, `this host is new: ${cause.sentence}`);
  }
}

function newcomerCause(state: RoleState): Cause | null {
  const standing = standingOf(state);
  return standing.is === 'newcomer' ? standing.cause : null;
}

/** A host that comes for the first time is no alarm. */
function heldSomething({ cluster, nodeId, replicator }: RoleState): boolean {
  const isKnown = cluster?.hosts.some(({ node }) => node === nodeId) === true;
  const isMember = cluster?.inSync?.members.includes(nodeId) === true;
  return isKnown || isMember || rootNames.some((name) => replicator.roots?.[name].record != null);
}
