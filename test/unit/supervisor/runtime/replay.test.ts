import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { replay } from '../../../../supervisor/cli/replay-command.ts';
import { decide } from '../../../../supervisor/core/leadership/decide.ts';
import type { RoleEvent } from '../../../../supervisor/core/leadership/events.ts';
import { initialState, type RoleState } from '../../../../supervisor/core/leadership/state.ts';
import {
  loadRecording,
  RecentDecisions,
  type Recording,
  saveRecording,
} from '../../../../supervisor/runtime/recent-decisions.ts';
import { leaderOf, statusOf, timing, view } from '../core/leadership/host.ts';

const story: RoleEvent[] = [
  { type: 'lease-renewed', id: 'l', sentAtMs: 1000, at: 1000 },
  { type: 'vip-absent', at: 1001 },
  { type: 'replicator-ready', at: 1002 },
  { type: 'replicator-status', status: statusOf('a'), at: 1002 },
  { type: 'cluster-read', view: view({ sentAtMs: 1003 }), at: 1004 },
  { type: 'leader-written', leader: leaderOf('a', 200, 'l'), at: 1010 },
];

/** As the supervisor does it. */
function record(events: readonly RoleEvent[]): { recent: RecentDecisions; state: RoleState } {
  const recent = new RecentDecisions();
  let state = initialState('a', false, 100, 'test');
  for (const event of events) {
    recent.add(state, event);
    state = decide(state, event, timing).state;
  }
  return { recent, state };
}

describe('a recording of decisions', () => {
  it('is decided again to the same end, from a file that nobody else can read', (context) => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-replay-'));
    context.after(() => rmSync(folder, { recursive: true }));
    const { recent, state } = record(story);
    assert.equal(state.phase.name, 'promoting');
    const file = saveRecording(folder, recent.recording('0', timing, state), '2026-01-01T00:00:00Z');
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const { lines, failure } = replay(loadRecording(file));
    assert.equal(failure, null);
    assert.match(lines.join('\n'), /leadership claim.*standby -> promoting/s);
  });

  it('holds the last events, however many came, with the state before them', () => {
    const ticks: RoleEvent[] = Array.from({ length: 3000 }, (_, index) => ({
      type: 'tick',
      at: 1011 + index / 10,
    }));
    const { recent, state } = record([...story, ...ticks]);
    const { start, events } = recent.recording('0', timing, state);
    assert.equal(events.at(-1)?.at, 1310.9);
    assert.ok(events.length >= 500);
    assert.equal(start.phase.name, 'promoting');
  });

  it('shows the event at which deciding failed', () => {
    const { recent, state } = record(story);
    const recording: Recording = recent.recording('0', timing, state);
    const broken = { ...recording, start: { ...recording.start, phase: { name: 'lost' } as never } };
    assert.match(replay(broken).failure ?? '', /./);
  });

  it('is refused when it is none', (context) => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-replay-'));
    context.after(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, 'x'), '{}');
    assert.throws(() => loadRecording(join(folder, 'x')), { code: 'RECORDING_INVALID' });
    assert.throws(() => loadRecording(join(folder, 'none')), { code: 'RECORDING_INVALID' });
  });
});
