import type { RestoredPlan } from '../core/restored/plan.ts';
import { pauseSentence } from './render-status.ts';
import { table } from './table.ts';

/** What each host holds, and who may lead once the restored etcd is accepted. */
export function renderRestored({ restored, hosts, members, away, paused, refusal }: RestoredPlan): string {
  const rows = [
    ...hosts.map(({ node, position }) => [
      node,
      String(position.epoch),
      String(position.sequence),
      members.includes(node) ? 'yes: nobody holds more' : 'after it has caught up',
    ]),
    ...away.map((node) => [node, '?', '?', 'away: what only it holds is set aside']),
  ];
  return [
    ...(restored === null
      ? []
      : [
          `etcd went back from ${restored.seen} to ${restored.found} (seen by ${restored.by}, ${restored.at})`,
        ]),
    table(['Host', 'Epoch', 'Position', 'May lead then'], rows),
    ...(paused === null
      ? []
      : [`${pauseSentence(paused)} End it with \`holdfast resume\` if it is an old one.`]),
    ...(refusal === null ? [] : [`It would be refused: ${refusal.code}: ${refusal.sentence}`]),
  ].join('\n');
}
