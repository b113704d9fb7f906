import { X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { IOptions } from 'etcd3';
import { codeOf, HoldfastError, messageOf } from '#contracts/errors.ts';
import type { Config } from '../../config/schema.ts';

type TlsFiles = Config['etcd']['tls'];
export type Credentials = Pick<IOptions, 'credentials'>;

/**
 * What the files hold now. Half a renewal (a certificate with another's key) is told here, not by a failed handshake.
 * @throws HoldfastError ETCD_TLS_UNUSABLE
 */
export function readCredentials(tls: TlsFiles): Credentials {
  if (tls === undefined) return {};
  try {
    const ca = readFileSync(tls.ca);
    if (tls.cert === undefined || tls.key === undefined) {
      createSecureContext({ ca });
      return { credentials: { rootCertificate: ca } };
    }
    const [cert, key] = [readFileSync(tls.cert), readFileSync(tls.key)];
    createSecureContext({ ca, cert, key });
    return { credentials: { rootCertificate: ca, certChain: cert, privateKey: key } };
  } catch (cause) {
    const files = [tls.ca, tls.cert, tls.key].filter((file) => file !== undefined).join(', ');
    throw new HoldfastError('ETCD_TLS_UNUSABLE', `${files}: ${messageOf(cause)}`, { cause });
  }
}

/**
 * For the library, which asks for a token when it needs one, and for another when etcd does not take it any more.
 * @throws HoldfastError ETCD_PASSWORD_UNREADABLE
 */
export function readLogin(
  etcd: Pick<Config['etcd'], 'username' | 'passwordFile'>,
  deadline: () => Date,
): Pick<IOptions, 'auth'> {
  if (etcd.username === undefined || etcd.passwordFile === undefined) return {};
  // Without one a member that stands still would hold up every later request.
  const callOptions = () => ({ deadline: deadline() });
  return { auth: { username: etcd.username, password: readPassword(etcd.passwordFile), callOptions } };
}

/** The first line of the file. @throws HoldfastError ETCD_PASSWORD_UNREADABLE */
export function readPassword(file: string): string {
  try {
    return readFileSync(file, 'utf8').split('\n')[0] ?? '';
  } catch (cause) {
    throw new HoldfastError('ETCD_PASSWORD_UNREADABLE', `${file}: ${messageOf(cause)}`, { cause });
  }
}

/** Changes with the content of any of the files; empty without TLS. */
export function stampOfFiles(tls: TlsFiles): string {
  const files = [tls?.ca, tls?.cert, tls?.key].filter((file) => file !== undefined);
  return files.map(stampOf).join(' ');
}

function stampOf(file: string): string {
  try {
    const { ino, size, mtimeNs, ctimeNs } = statSync(file, { bigint: true });
    return `${ino}-${size}-${mtimeNs}-${ctimeNs}`;
  } catch (error) {
    return codeOf(error);
  }
}

/** What is wrong with the dates of the certificates at this time, a sentence each, with the file. */
export function certificateProblems(tls: TlsFiles, nowMs: number): string[] {
  const files = [tls?.ca, tls?.cert].filter((file) => file !== undefined);
  return files.flatMap((file) => {
    try {
      const { validFrom, validTo } = new X509Certificate(readFileSync(file));
      if (nowMs > Date.parse(validTo)) return [`the certificate ${file} ended ${validTo}`];
      return nowMs < Date.parse(validFrom) ? [`the certificate ${file} begins only ${validFrom}`] : [];
    } catch (error) {
      return [`the certificate ${file} cannot be read: ${messageOf(error)}`];
    }
  });
}
