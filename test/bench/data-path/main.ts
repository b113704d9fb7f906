/**
 * The data path of the storage engine as a prototype, beside OpenSSH: what docs/decisions/2026-11-26-data-path-measured.md
 * tells of.
 *
 *     node test/bench/data-path/main.ts [--json] [--part streams,variants,files,beside] [--mb 400] [--rounds 5]
 *       [--only 'chosen,TLS inline'] [--flush-ms 0,5]
 *
 * Needs root (for sshd), openssh-server, openssh-client, rsync, openssl and a C compiler. Uses one folder below --folder,
 * and takes it away again.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { execa } from 'execa';
import { besideBigUpload } from './part-beside.ts';
import { manyFiles } from './part-files.ts';
import { streams, variants } from './part-streams.ts';
import type { Bench } from './report.ts';
import { print } from './report.ts';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    part: { type: 'string', default: 'streams,variants,files,beside' },
    mb: { type: 'string', default: '400' },
    rounds: { type: 'string', default: '5' },
    cipher: { type: 'string' },
    only: { type: 'string' },
    'flush-ms': { type: 'string' },
    folder: { type: 'string', default: '/var/tmp' },
  },
});

const parts = { streams, variants, files: manyFiles, beside: besideBigUpload };

async function prepare(home: string): Promise<Bench> {
  await execa('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(home, 'key')]);
  const [key, certificate] = [join(home, 'tls.key'), join(home, 'tls.crt')];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const names = ['-subj', '/CN=peer', '-addext', 'subjectAltName=DNS:peer'];
  await execa('openssl', ['req', '-x509', ...curve, ...names, '-keyout', key, '-out', certificate]);
  const library = join(home, 'slow-flush.so');
  const source = join(import.meta.dirname, 'slow-flush.c');
  await execa('cc', ['-O2', '-shared', '-fPIC', '-o', library, source, '-ldl']);
  return {
    home,
    library,
    megabytes: Number(values.mb),
    rounds: Number(values.rounds),
    cipher: values.cipher ?? null,
    only: values.only?.split(',') ?? null,
    flushMs: values['flush-ms']?.split(',').map(Number) ?? null,
  };
}

const home = mkdtempSync(join(values.folder, 'holdfast-data-path-'));
process.once('SIGTERM', () => {
  rmSync(home, { recursive: true, force: true });
  process.exit(143);
});
try {
  const bench = await prepare(home);
  for (const [name, part] of Object.entries(parts)) {
    if (!values.part.split(',').includes(name)) continue;
    for (const table of await part(bench)) print(table, values.json);
  }
} finally {
  rmSync(home, { recursive: true, force: true });
}
