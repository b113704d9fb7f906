import { Command } from 'commander';
import { messageOf } from '#contracts/errors.ts';
import { decide } from '../core/leadership/decide.ts';
import { epochOf } from '../core/leadership/state.ts';
import { loadRecording, type Recording } from '../runtime/recent-decisions.ts';
import { exitAs, printAnswer } from './output.ts';

export function replayCommand(): Command {
  return new Command('replay')
    .description('decide again what a supervisor recorded (decisions-*.json in its state folder) and show it')
    .argument('<file>')
    .action((file: string, { json }: { json?: boolean }) => {
      const { lines, failure } = replay(loadRecording(file));
      printAnswer(json, { lines, failure }, () =>
        [...lines, ...(failure === null ? [] : [`failed: ${failure}`])].join('\n'),
      );
      if (failure !== null) exitAs('failed');
    });
}

/** One line for each event that was more than a tick or changed something, as the role machine of this release sees it. */
export function replay({ start, events, timing }: Recording): { lines: string[]; failure: string | null } {
  const lines: string[] = [];
  const beganMs = events[0]?.at ?? 0;
  let state = start;
  let ordered = '';
  for (const event of events) {
    const { at, ...told } = event;
    const time = `${String(at - beganMs).padStart(6)} ms`;
    try {
      const { state: after, orders, changes } = decide(state, event, timing);
      const list = orders
        .map((order) => ('want' in order ? `${order.kind} ${order.want}` : order.kind))
        .join(', ');
      if (event.type !== 'tick' || changes.length > 0)
        lines.push(`${time}  ${JSON.stringify(told).slice(0, 200)}`);
      for (const { row, cause } of changes) {
        lines.push(`           ${row.from} -> ${row.to}: ${cause?.sentence ?? row.sentence}`);
      }
      if (list !== ordered)
        lines.push(`           ${after.phase.name} ${epochOf(after.phase)}: ${list || 'nothing'}`);
      ordered = list;
      state = after;
    } catch (error) {
      return { lines: [...lines, `${time}  ${JSON.stringify(told)}`], failure: messageOf(error) };
    }
  }
  return { lines, failure: null };
}
