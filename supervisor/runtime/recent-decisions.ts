import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { HoldfastError, messageOf } from '#contracts/errors.ts';
import type { RoleEvent } from '../core/leadership/events.ts';
import type { RoleState } from '../core/leadership/state.ts';
import type { Timing } from '../core/leadership/timing.ts';

/** What the role machine was told lately, and the state that it began from: enough to decide it all again. */
export interface Recording {
  readonly version: string;
  readonly timing: Timing;
  readonly start: RoleState;
  readonly events: readonly RoleEvent[];
}

/** At a tick each 50 ms, the last fifteen seconds or so. */
const limit = 500;

/** A ring of what came in, so that a decision that should be impossible can be looked at afterwards. */
export class RecentDecisions {
  readonly #entries: { readonly before: RoleState; readonly event: RoleEvent }[] = [];

  add(before: RoleState, event: RoleEvent): void {
    this.#entries.push({ before, event });
    if (this.#entries.length > 2 * limit) this.#entries.splice(0, limit);
  }

  recording(version: string, timing: Timing, fallback: RoleState): Recording {
    const entries = this.#entries.slice(-limit);
    const start = entries[0]?.before ?? fallback;
    return { version, timing, start, events: entries.map(({ event }) => event) };
  }
}

/** Writes it (0600) into the state folder. @returns the file, or why there is none */
export function saveRecording(stateFolder: string, recording: Recording, stamp: string): string {
  const file = join(stateFolder, `decisions-${stamp.replaceAll(':', '')}.json`);
  try {
    writeFileSync(file, JSON.stringify(recording), { mode: 0o600 });
    return file;
  } catch (error) {
    return `not written: ${messageOf(error)}`;
  }
}

/** @throws HoldfastError RECORDING_INVALID */
export function loadRecording(file: string): Recording {
  try {
    const recording: Recording = JSON.parse(readFileSync(file, 'utf8'));
    if (!Array.isArray(recording.events) || typeof recording.start?.phase?.name !== 'string') {
      throw new Error('it holds no decisions');
    }
    return recording;
  } catch (cause) {
    throw new HoldfastError('RECORDING_INVALID', `${file}: ${messageOf(cause)}`, { cause });
  }
}
