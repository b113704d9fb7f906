import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { LabHost } from '../../test/lab/host.ts';
import { Lab } from '../../test/lab/lab.ts';
import { measure } from './outages.ts';

/** With advert_int 1 a backup takes over after 3 s and a skew below 1 s: then all have settled. */
const settleMs = 4500;

export function keepalivedIsInstalled(): boolean {
  return existsSync('/usr/sbin/keepalived') && existsSync('/usr/sbin/sshd');
}

/** What people run today: sshd on two hosts, and keepalived with its defaults in front. Who comes back is the backup. */
export async function measureKeepalived(rounds: number): Promise<{ stops: number[]; deaths: number[] }> {
  await using lab = await Lab.create({ hosts: ['a', 'b'] });
  mkdirSync('/run/sshd', { recursive: true });
  for (const host of lab.hosts) await start(lab, host);
  const prober = await lab.client.probe(lab.vipV4, 'root');
  const stops: number[] = [];
  const deaths: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const stopped = await masterOf(lab);
    stops.push(await measure(prober, () => stopKeepalived(stopped)));
    await stopped.network.signalAll('SIGKILL');
    await start(lab, stopped);
    await delay(settleMs);
    const dead = await masterOf(lab);
    deaths.push(await measure(prober, () => dead.die()));
    // As after a reboot. A keepalived that is killed leaves the address, unless it saw the link go down before.
    if ((await dead.network.addresses()).includes(lab.vipV4))
      await dead.network.ip('addr', 'del', `${lab.vipV4}/24`, 'dev', 'eth0');
    await dead.network.linkUp();
    await start(lab, dead);
    await delay(settleMs);
  }
  await prober.stop();
  return { stops, deaths };
}

function masterOf(lab: Lab): Promise<LabHost> {
  return lab.wait('a master', async () => {
    for (const host of lab.hosts) if ((await host.network.addresses()).includes(lab.vipV4)) return host;
    return null;
  });
}

async function stopKeepalived(host: LabHost): Promise<void> {
  const { stdout } = await host.exec('cat', [join(host.folder, 'keepalived.pid')]);
  process.kill(Number(stdout), 'SIGTERM');
}

async function start(lab: Lab, host: LabHost): Promise<void> {
  const file = (name: string) => join(host.folder, name);
  if (!existsSync(file('host_key')))
    await host.exec('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file('host_key')]);
  writeFileSync(file('sshd_config'), sshdConfig(lab, file('host_key')));
  writeFileSync(file('keepalived.conf'), keepalivedConfig(lab, host), { mode: 0o600 });
  host.spawn('sshd.log', '/usr/sbin/sshd', ['-D', '-e', '-f', file('sshd_config')]);
  const files = ['-f', file('keepalived.conf'), '-p', file('keepalived.pid'), '-r', file('vrrp.pid')];
  host.spawn('keepalived.log', '/usr/sbin/keepalived', ['-n', '-P', '-l', ...files]);
}

function sshdConfig(lab: Lab, hostKey: string): string {
  return `Port ${lab.sftpPort}
HostKey ${hostKey}
AuthorizedKeysFile ${lab.client.keyFile}.pub
StrictModes no
PermitRootLogin yes
UsePAM no
MaxStartups 100:30:200
PidFile none
Subsystem sftp internal-sftp
`;
}

function keepalivedConfig(lab: Lab, host: LabHost): string {
  return `global_defs {
  router_id ${host.name}
}
vrrp_instance sftp {
  state BACKUP
  nopreempt
  interface eth0
  virtual_router_id 51
  priority ${host.name === 'a' ? 150 : 100}
  advert_int 1
  virtual_ipaddress {
    ${lab.vipV4}/24
  }
}
`;
}
