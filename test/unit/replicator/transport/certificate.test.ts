import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { describe, it } from 'node:test';
import { selfSignedCertificate } from '../../../../replicator/transport/certificate.ts';

describe('the certificate of a peer', () => {
  const { privateKey } = generateKeyPairSync('ed25519');

  it('carries the key and the name, signed by the key itself', () => {
    const certificate = new X509Certificate(selfSignedCertificate(privateKey, 'one.example'));
    assert.ok(certificate.publicKey.equals(createPublicKey(privateKey)));
    assert.ok(certificate.verify(certificate.publicKey));
    assert.equal(certificate.subject, 'CN=one.example');
    assert.equal(certificate.issuer, certificate.subject);
    assert.equal(certificate.ca, false);
  });

  it('is valid at any time', () => {
    const certificate = new X509Certificate(selfSignedCertificate(privateKey, 'one'));
    assert.equal(certificate.validFromDate.getTime(), 0);
    assert.equal(certificate.validToDate.toISOString(), '9999-12-31T23:59:59.000Z');
  });

  it('is well-formed at every length of a name, that of its parts being written in one, two or three bytes', () => {
    for (const length of [1, 63, 100, 130, 200, 300]) {
      const name = 'x'.repeat(length);
      const certificate = new X509Certificate(selfSignedCertificate(privateKey, name));
      assert.equal(certificate.subject, `CN=${name}`);
      assert.ok(certificate.verify(certificate.publicKey));
    }
    assert.throws(() => selfSignedCertificate(privateKey, 'x'.repeat(70_000)), RangeError);
  });
});
