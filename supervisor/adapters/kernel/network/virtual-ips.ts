import { codeOf, type ErrorCode, errorTable, HoldfastError, messageOf } from '#contracts/errors.ts';
import type { Logger } from '#contracts/log.ts';
import { type Config, commandVipsOf, kernelVipsOf } from '../../../config/schema.ts';
import type { Clock, InterfaceAddress, VipConflict, VirtualIps } from '../../../runtime/ports.ts';
import { CommandVip } from './command-vips.ts';
import { KernelVips } from './kernel-vips.ts';

/** The virtual IPs of holdfast.yaml, of either kind, as one. */
export function createVirtualIps(
  config: Pick<Config, 'vips' | 'cluster' | 'node'>,
  clock: Clock,
  log: Logger,
): VirtualIps {
  const kernel = kernelVipsOf(config);
  const { cluster, node } = config;
  return new JoinedVips([
    ...(kernel.length === 0 ? [] : [new KernelVips(kernel, clock)]),
    ...commandVipsOf(config).map((vip) => new CommandVip({ vip, cluster, node: node.id, clock, log })),
  ]);
}

/** All together: present when all are, absent when all are; one that fails keeps none of the others from being done. */
export class JoinedVips implements VirtualIps {
  readonly #options: readonly VirtualIps[];

  constructor(options: readonly VirtualIps[]) {
    this.#options = options;
  }

  async present(untilMs: number): Promise<boolean> {
    const present = await allOf(this.#options.map((part) => part.present(untilMs)));
    return present.every(Boolean);
  }

  async absent(others: readonly InterfaceAddress[] = []): Promise<void> {
    await allOf(this.#options.map((part) => part.absent(others)));
  }

  async conflict(): Promise<VipConflict | null> {
    const answers = await allOf(this.#options.map((part) => part.conflict()));
    return answers.find((answer) => answer !== null) ?? null;
  }

  async announce(): Promise<void> {
    await allOf(this.#options.map((part) => part.announce()));
  }
}

/** Waits for the end of everything. @throws what failed; HoldfastError with every sentence when several did */
async function allOf<Result>(work: readonly Promise<Result>[]): Promise<Result[]> {
  const results = await Promise.allSettled(work);
  const errors = results.filter((result) => result.status === 'rejected').map(({ reason }) => reason);
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) {
    throw new HoldfastError(codeOfFirst(errors), errors.map(messageOf).join('; '), { cause: errors[0] });
  }
  return results.filter((result) => result.status === 'fulfilled').map(({ value }) => value);
}

function codeOfFirst(errors: readonly unknown[]): ErrorCode {
  const code = errors.map(codeOf).find((candidate) => Object.hasOwn(errorTable, candidate));
  return (code ?? 'INTERNAL') as ErrorCode;
}
