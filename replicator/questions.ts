import { maxNamesAsked } from '#contracts/ipc/at-risk.ts';
import type { FromReplicator } from '#contracts/ipc/replicator.ts';
import type { Leader } from './leading/leader.ts';
import type { KeeperThread } from './quarantine/thread.ts';
import type { ToEngineThread } from './thread/messages.ts';

export type Question = Extract<ToEngineThread, { type: 'quarantine' | 'at-risk' }>;

/** What operators ask of this process. @param leader null: this host does not lead */
export async function answerTo(
  question: Question,
  { quarantine, leader }: { quarantine: KeeperThread; leader: Leader | null },
): Promise<FromReplicator> {
  const { requestId } = question;
  if (question.type === 'quarantine')
    return { type: 'quarantine-answer', requestId, answer: await quarantine.ask(question.request) };
  const hosts = leader === null ? null : await leader.atRisk.ask(maxNamesAsked);
  return { type: 'at-risk-answer', requestId, hosts };
}
