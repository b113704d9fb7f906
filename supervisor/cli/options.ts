import { InvalidArgumentError, Option } from 'commander';
import { nodeIdSchema } from '#contracts/identities.ts';
import { durationSchema } from '../config/duration.ts';

export const defaultConfigFile = '/etc/holdfast/holdfast.yaml';

export const configOption = () =>
  new Option('-c, --config <file>', 'configuration of this host').default(defaultConfigFile);

/** The name of a host; whether there is one of that name is seen later. */
export function parseHost(text: string): string {
  if (!nodeIdSchema.safeParse(text).success) throw new InvalidArgumentError('is not the name of a host');
  return text;
}

/** A whole number from 1 on. */
export function parseCount(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('is not a whole number from 1 on');
  return Number.parseInt(text, 10);
}

/** `30s` to milliseconds. */
export function parseDuration(text: string): number {
  const parsed = durationSchema.safeParse(text);
  if (!parsed.success) throw new InvalidArgumentError('is not a duration, as 30s or 5m');
  return parsed.data;
}

/** An instant: without an offset it would mean another one on another host. */
export function parseTime(text: string): string {
  const hasOffset = /(Z|[+-]\d\d:\d\d)$/.test(text);
  const time = Date.parse(text);
  if (!hasOffset || Number.isNaN(time)) {
    throw new InvalidArgumentError('is not a time with its offset, as 2026-11-24T03:00:00+01:00');
  }
  return new Date(time).toISOString();
}
