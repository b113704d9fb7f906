import { HoldfastError } from '#contracts/errors.ts';
import { commonPoint } from '../core/epoch-table.ts';
import type { EpochTable, LogPosition } from '../core/position.ts';
import type { Hello, Welcome } from './control.ts';
import { limits } from './limits.ts';
import type { LeaderPort } from './ports.ts';

/** Why a follower cannot be served, or null. */
export function refusalOf(
  hello: Hello,
  authenticatedAs: string,
  cluster: string,
  epoch: number,
): HoldfastError | null {
  if (hello.node !== authenticatedAs) {
    return new HoldfastError('PEER_REFUSED', `${authenticatedAs} calls itself ${hello.node}`);
  }
  if (hello.cluster !== cluster) {
    return new HoldfastError('PEER_REFUSED', `${authenticatedAs} belongs to the cluster ${hello.cluster}`);
  }
  const seen = Math.max(hello.highestEpoch, hello.position.epoch);
  if (seen > epoch) {
    const sentence = `${authenticatedAs} has seen epoch ${seen}, this host leads at ${epoch}`;
    return new HoldfastError('EPOCH_STALE', sentence);
  }
  return null;
}

/**
 * Where a follower goes on from: the common point of both epoch tables, if both logs reach it (F2).
 * @throws HoldfastError HISTORY_DIFFERS: the chain values at the common point are not the same
 */
export async function welcomeFor(
  hello: Hello,
  port: LeaderPort,
): Promise<Pick<Welcome, 'position' | 'chain' | 'anew'>> {
  const common = commonWith(hello, port);
  const chain = common === null ? null : await port.chainAt(common.sequence);
  // The log may have become shorter meanwhile.
  const reaches = Math.max(port.start.sequence, hello.start.sequence);
  if (common === null || common.sequence < reaches) {
    return { position: port.position, chain: port.chain.toString('hex'), anew: toldEpochs(port.epochs) };
  }
  const told = chain?.toString('hex');
  const isSame = common.sequence !== hello.position.sequence || told === hello.chain;
  if (told === undefined || !isSame) throw historyDiffers(hello.node, common.sequence);
  return { position: common, chain: told, anew: null };
}

/** Up to where both logs are the same by their epoch tables, whether or not they reach back to there; 0: nowhere. */
export function commonEnd(hello: Hello, port: Pick<LeaderPort, 'epochs' | 'position'>): number {
  return commonWith(hello, port)?.sequence ?? 0;
}

function commonWith(hello: Hello, port: Pick<LeaderPort, 'epochs' | 'position'>): LogPosition | null {
  const mine = { table: port.epochs, end: port.position };
  return commonPoint(mine, { table: epochsOf(hello.epochs), end: hello.position });
}

export function historyDiffers(node: string, sequence: number): HoldfastError {
  return new HoldfastError(
    'HISTORY_DIFFERS',
    `the log of ${node} and this host's are not the same up to record ${sequence}, which they should be`,
  );
}

export function epochsOf(told: Hello['epochs']): EpochTable {
  return told.map(([epoch, first]) => ({ epoch, first }));
}

/** The newest, when there are too many to tell. */
export function toldEpochs(epochs: EpochTable): Hello['epochs'] {
  return epochs.slice(-limits.epochs).map(({ epoch, first }) => [epoch, first]);
}
