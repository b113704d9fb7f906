import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { certificateFacts } from '../../../../../supervisor/health/checks/certificates.ts';
import { CertificateAuthority } from '../../../../lab/certificates.ts';

const dayMs = 86_400_000;

describe('the certificates for etcd', () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
  let tls: { ca: string; cert: string; key: string };
  before(async () => {
    const authority = await CertificateAuthority.create(folder, 'ca', 3650);
    const { cert, key } = await authority.issue('host', '10.0.0.1', 100 * 86_400);
    tls = { ca: authority.file, cert, key };
  });
  after(() => rmSync(folder, { recursive: true }));

  const codes = async (inDays: number) =>
    (await certificateFacts(tls, Date.now() + inDays * dayMs)).map(({ level, code }) =>
      `${level} ${code}`.trim(),
    );

  it('are fine for as long as they last for more than thirty days', async () => {
    assert.deepEqual(await codes(0), ['ok', 'ok']);
    assert.deepEqual(await codes(69), ['ok', 'ok']);
  });

  it('are warned of thirty days before they end, with the file and the date', async () => {
    assert.deepEqual(await codes(71), ['ok', 'warn CERTIFICATE_ENDS']);
    const [, fact] = await certificateFacts(tls, Date.now() + 95.5 * dayMs);
    assert.match(fact?.detail ?? '', /host\.crt ends in 4 day\(s\), \w{3} /);
  });

  it('are told when they have ended, or have not begun', async () => {
    assert.deepEqual(await codes(101), ['ok', 'warn CERTIFICATE_ENDED']);
    assert.deepEqual(await codes(-2), ['warn CERTIFICATE_ENDED', 'warn CERTIFICATE_ENDED']);
  });

  it('are told when they cannot be read', async () => {
    const broken = join(folder, 'broken.crt');
    writeFileSync(broken, 'no certificate');
    const facts = await certificateFacts(
      { ca: join(folder, 'none'), cert: broken, key: tls.key },
      Date.now(),
    );
    assert.deepEqual(
      facts.map(({ code }) => code),
      ['ETCD_TLS_UNUSABLE', 'ETCD_TLS_UNUSABLE'],
    );
  });

  it('are none without TLS', async () => {
    assert.deepEqual(await certificateFacts(undefined, Date.now()), []);
  });
});
