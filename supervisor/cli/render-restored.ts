import Table from 'cli-table3';
import type { RestoredPlan } from '../core/restored/plan.ts';
import { pauseSentence } from './render-status.ts';

/** What each host holds, and who may lead once the restored etcd is accepted. */
export function renderRestored({ restored, hosts, members, away, paused, refusal }: RestoredPlan): string {
  const table = new Table({
    head: ['Host', 'Epoch', 'Position', 'May lead then'],
    style: { head: [], border: [], compact: true },
  });
  for (const { node, position } of hosts) {
    const holdsMost = members.includes(node);
    table.push([
      node,
      String(position.epoch),
      String(position.sequence),
      holdsMost ? 'yes: nobody holds more' : 'after it has caught up',
    ]);
  }
  for (const node of away) table.push([node, '?', '?', 'away: what only it holds is set aside']);
  return [
    ...(restored === null
      ? []
      : [
          `etcd went back from ${restored.seen} to ${restored.found} (seen by ${restored.by}, ${restored.at})`,
        ]),
    table.toString(),
    ...(paused === null
      ? []
      : [`${pauseSentence(paused)} End it with \`holdfast resume\` if it is an old one.`]),
    ...(refusal === null ? [] : [`It would be refused: ${refusal.code}: ${refusal.sentence}`]),
  ].join('\n');
}
