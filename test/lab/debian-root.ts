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
  const { codename, mirror } = await debianRepository();
  try {
    await execa('debootstrap', ['--variant=minbase', `--include=${packages}`, codename, staged, mirror]);
    renameSync(staged, root);
  } finally {
    rmSync(staged, { recursive: true, force: true });
  }
  return root;
}

interface Repository {
  readonly codename: string;
  readonly mirror: string;
}

async function debianRepository(): Promise<Repository> {
  const known = await findRepository();
  if (known !== undefined) return known;
  // Images of containers come without the lists, and without them apt does not know whose a repository is.
  await execa('apt-get', ['update']);
  const found = await findRepository();
  if (found === undefined) throw new Error('apt has no repository of Debian: see /etc/apt/sources.list');
  return found;
}

/** The one with the release itself, not with its updates (`bookworm-updates`, `bookworm-security`). */
async function findRepository(): Promise<Repository | undefined> {
  const format = '$(ORIGIN) $(CODENAME) $(COMPONENT) $(REPO_URI)';
  const { stdout } = await execa('apt-get', ['indextargets', '--format', format, 'Created-By: Packages']);
  return stdout
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([origin, codename, component]) => {
      return origin === 'Debian' && component === 'main' && !codename?.includes('-');
    })
    .map(([, codename = '', , mirror = '']) => ({ codename, mirror }))[0];
}
