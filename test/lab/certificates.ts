import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './network.ts';

export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

/** A certificate authority of the lab's own, by openssl: what an operator has for etcd. */
export class CertificateAuthority {
  readonly #folder: string;
  readonly #name: string;

  private constructor(folder: string, name: string) {
    this.#folder = folder;
    this.#name = name;
  }

  static async create(folder: string, name = 'ca', days = 30): Promise<CertificateAuthority> {
    const authority = new CertificateAuthority(folder, name);
    const { cert, key } = authority.#own;
    await openssl(
      'req',
      '-x509',
      '-newkey',
      'ec',
      ...curve,
      '-nodes',
      '-days',
      String(days),
      ...named('lab'),
      ...[...['-keyout', key, '-out', cert]],
    );
    return authority;
  }

  get file(): string {
    return this.#own.cert;
  }

  get #own(): CertificateFiles {
    return { cert: join(this.#folder, `${this.#name}.crt`), key: join(this.#folder, `${this.#name}.key`) };
  }

  /**
   * For a server at this address and for a client.
   * @param ends seconds from now, also in the past
   */
  async issue(name: string, address: string, ends = 30 * 86_400): Promise<CertificateFiles> {
    const file = (kind: string) => join(this.#folder, `${name}.${kind}`);
    const [key, request, extensions, cert] = [file('key'), file('csr'), file('ext'), file('crt')];
    writeFileSync(extensions, `subjectAltName=IP:${address}\nextendedKeyUsage=serverAuth,clientAuth\n`);
    await openssl(
      'req',
      '-newkey',
      'ec',
      ...curve,
      '-nodes',
      ...named(name),
      '-keyout',
      key,
      '-out',
      request,
    );
    const utc = (seconds: number) =>
      new Date(Date.now() + seconds * 1000).toISOString().replaceAll(/[-:T]|\.\d+/g, '');
    const days = ['-startdate', utc(-86_400), '-enddate', utc(ends)];
    await this.#sign(request, extensions, cert, days);
    return { cert, key };
  }

  /** `openssl ca` is what can set dates; it wants files of its own. */
  async #sign(request: string, extensions: string, cert: string, dates: string[]): Promise<void> {
    const at = (name: string) => join(this.#folder, `${this.#name}-${name}`);
    writeFileSync(at('index'), '');
    writeFileSync(
      at('conf'),
      `[ca]
default_ca = lab
[lab]
database = ${at('index')}
new_certs_dir = ${this.#folder}
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
`,
    );
    const own = ['-cert', this.#own.cert, '-keyfile', this.#own.key, '-config', at('conf')];
    await openssl(
      'ca',
      '-batch',
      ...own,
      '-extfile',
      extensions,
      '-in',
      request,
      '-out',
      cert,
      '-notext',
      ...dates,
    );
  }
}

const curve = ['-pkeyopt', 'ec_paramgen_curve:prime256v1'];
const named = (name: string) => ['-subj', `/CN=${name}`];

async function openssl(...args: string[]): Promise<void> {
  await run('openssl', args);
}
