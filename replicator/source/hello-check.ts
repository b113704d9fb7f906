import { HoldfastError } from '#contracts/errors.ts';
import type { Hello } from './leadership.ts';

/** Why a follower cannot be served, or null. */
export function checkHello(
  hello: Hello,
  authenticatedAs: string,
  cluster: string,
  epoch: number,
): HoldfastError | null {
  if (hello.nodeId !== authenticatedAs) {
    return new HoldfastError('PEER_REFUSED', `${authenticatedAs} calls itself ${hello.nodeId}`);
  }
  if (hello.cluster !== cluster) {
    return new HoldfastError('PEER_REFUSED', `${authenticatedAs} belongs to the cluster ${hello.cluster}`);
  }
  if (hello.highestEpoch > epoch) {
    const seen = `${authenticatedAs} has seen epoch ${hello.highestEpoch}, this host leads at ${epoch}`;
    return new HoldfastError('EPOCH_STALE', seen);
  }
  return null;
}
