import { InvalidArgumentError, Option } from 'commander';
import { durationSchema } from '../config/duration.ts';

export const defaultConfigFile = '/etc/holdfast/holdfast.yaml';

export const configOption = () =>
  new Option('-c, --config <file>', 'configuration of this host').default(defaultConfigFile);

/** `30s` to milliseconds. */
export function parseDuration(text: string): number {
  const parsed = durationSchema.safeParse(text);
  if (!parsed.success) throw new InvalidArgumentError(parsed.error.issues[0]?.message ?? 'is not a duration');
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
