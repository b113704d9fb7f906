import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { messageOf } from '#contracts/errors.ts';
import type { Config } from '../../config/schema.ts';
import type { HealthFact } from '../../runtime/ports.ts';

const dayMs = 86_400_000;
/** Time enough to renew one by hand. */
export const warnAheadDays = 30;

/**
 * How long the certificates for etcd last. A warning and no more while they do: whether a host may lead is shown by
 * whether etcd answers it.
 */
export function certificateFacts(tls: Config['etcd']['tls'], wallMs: number): Promise<HealthFact[]> {
  const files = [tls?.ca, tls?.cert].filter((file) => file !== undefined);
  return Promise.all(files.map((file) => certificateFact(file, wallMs)));
}

async function certificateFact(file: string, wallMs: number): Promise<HealthFact> {
  const name = `certificate ${file}`;
  const warn = (code: string, detail: string): HealthFact => ({ name, level: 'warn', code, detail });
  try {
    const { validFrom, validTo } = new X509Certificate(await readFile(file));
    const days = Math.floor((Date.parse(validTo) - wallMs) / dayMs);
    if (days < 0) return warn('CERTIFICATE_ENDED', `${file} ended ${validTo}`);
    if (wallMs < Date.parse(validFrom)) return warn('CERTIFICATE_ENDED', `${file} begins only ${validFrom}`);
    if (days < warnAheadDays) return warn('CERTIFICATE_ENDS', `${file} ends in ${days} day(s), ${validTo}`);
    return { name, level: 'ok', code: '', detail: `${days} days left` };
  } catch (error) {
    return warn('ETCD_TLS_UNUSABLE', `${file} cannot be read: ${messageOf(error)}`);
  }
}
