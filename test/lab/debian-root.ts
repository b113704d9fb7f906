import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { execa } from 'execa';

/** Kept between runs: making it takes a minute. */
const cacheFolder = '/var/cache/holdfast-test';
const root = `${cacheFolder}/root`;

const packages = [
  'systemd,systemd-sysv,dbus,libpam-systemd,procps',
  'iproute2,iputils-arping,ndisc6,libndp-tools,etcd-server',
].join(',');

/** The folder of a small Debian of this machine's release, with what Holdfast needs. Never written to. */
export async function debianRoot(): Promise<string> {
  if (existsSync(root)) return root;
  mkdirSync(cacheFolder, { recursive: true });
  const staged = `${root}.${process.pid}`;
  const { stdout } = await execa('apt-get', [
    'indextargets',
    '--format',
    '$(ORIGIN) $(CODENAME) $(COMPONENT) $(REPO_URI)',
    'Created-By: Packages',
  ]);
  const sources = stdout.split('\n').map((line) => line.split(' '));
  const source = sources.find(([origin, , component]) => origin === 'Debian' && component === 'main');
  const [, codename, , mirror] = source ?? [];
  if (codename === undefined || mirror === undefined)
    throw new Error('apt knows no Debian repository: run apt-get update');
  try {
    await execa('debootstrap', ['--variant=minbase', `--include=${packages}`, codename, staged, mirror]);
    renameSync(staged, root);
  } finally {
    rmSync(staged, { recursive: true, force: true });
  }
  return root;
}
