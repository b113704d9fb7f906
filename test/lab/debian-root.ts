import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { execa } from 'execa';

/** Kept between runs: making a root takes a minute. */
const cacheFolder = '/var/cache/holdfast-test';

const packages = [
  'systemd,systemd-sysv,dbus,libpam-systemd,procps',
  'iproute2,iputils-arping,ndisc6,libndp-tools,etcd-server',
];
/** Those of a machine of its own. */
const bootPackages = ['linux-image-amd64,udev,kmod,openssh-server'];

/**
 * The folder of a small Debian of this machine's release, with what Holdfast needs. Never written to.
 *
 * @param kind what else is in it: nothing, or a kernel and all that a virtual machine needs that boots it
 */
export async function debianRoot(kind: 'container' | 'virtual-machine' = 'container'): Promise<string> {
  const root = kind === 'container' ? `${cacheFolder}/root` : `${cacheFolder}/root-${kind}`;
  if (existsSync(root)) return root;
  mkdirSync(cacheFolder, { recursive: true });
  const staged = `${root}.${process.pid}`;
  const { codename, mirror } = await debianRepository();
  try {
    const wanted = kind === 'container' ? packages : [...packages, ...bootPackages];
    await execa('debootstrap', ['--variant=minbase', `--include=${wanted}`, codename, staged, mirror]);
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
