import { createPublicKey, type KeyObject, sign } from 'node:crypto';
import {
  bitString,
  explicit0,
  generalizedTime,
  objectIdentifier,
  sequence,
  set,
  smallInteger,
  utcTime,
  utf8String,
} from './der.ts';

const commonName = objectIdentifier('550403');
const ed25519 = sequence(objectIdentifier('2b6570'));
const version3 = explicit0(smallInteger(2));
/** Of no meaning where nobody but the owner of a key signs with it. */
const serialNumber = smallInteger(1);

/** From the first second of Unix time to the instant that RFC 5280 (4.1.2.5) has for certificates without an end. */
const always: Validity = { notBefore: '700101000000Z', notAfter: '99991231235959Z' };

export interface Validity {
  /** `YYMMDDhhmmssZ` */
  readonly notBefore: string;
  /** `YYYYMMDDhhmmssZ` */
  readonly notAfter: string;
}

/**
 * TLS carries keys in certificates. Peers go by the key alone, so theirs say as little as a certificate can: the host's
 * name, for logs, and the key, signed by itself. Node has nothing that makes one.
 *
 * @param privateKey Ed25519
 * @returns DER
 */
export function selfSignedCertificate(
  privateKey: KeyObject,
  name: string,
  { notBefore, notAfter }: Validity = always,
): Buffer {
  const who = sequence(set(sequence(commonName, utf8String(name))));
  const content = sequence(
    version3,
    serialNumber,
    ed25519,
    who,
    sequence(utcTime(notBefore), generalizedTime(notAfter)),
    who,
    createPublicKey(privateKey).export({ type: 'spki', format: 'der' }),
  );
  return sequence(content, ed25519, bitString(sign(null, content, privateKey)));
}
