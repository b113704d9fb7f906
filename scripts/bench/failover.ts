/**
 * node scripts/bench/failover.ts [rounds]      (root; after scripts/setup --test; Debian's keepalived for the peer)
 *
 * One table from one run: how long nobody can log in, as a client that tries every 20 ms sees it, for a planned stop, a
 * killed SFTP node and a dead host. Beside it the same for keepalived in front of OpenSSH's sshd, with its defaults
 * (advert_int 1), in the same namespaces.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { monotonicMs, type Prober } from '../../test/lab/client.ts';
import type { LabHost } from '../../test/lab/host.ts';
import { Lab } from '../../test/lab/lab.ts';

const rounds = Number(process.argv[2] ?? 5);

function row(what: string, times: number[]): void {
  const sorted = times.toSorted((a, b) => a - b);
  const [min = 0, median = 0, max = 0] = [0, 0.5, 1].map(
    (part) => sorted[Math.round(part * (sorted.length - 1))],
  );
  const cells = [min, median, max].map((value) => value.toFixed(0).padStart(6)).join(' ');
  process.stdout.write(`${what.padEnd(44)} ${cells}   (${times.length} rounds)\n`);
}

async function measure(prober: Prober, act: () => Promise<unknown>): Promise<number> {
  const at = monotonicMs();
  await act();
  return (await prober.outage(at)).ms;
}

async function holdfast(): Promise<void> {
  await using lab = await Lab.create();
  await lab.start();
  const prober = await lab.client.probe(lab.vipV4);
  const stops: number[] = [];
  const kills: number[] = [];
  const deaths: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const leader = await lab.waitForService();
    await delay(1000);
    stops.push(await measure(prober, () => leader.signalSupervisor('SIGTERM')));
    leader.startSupervisor();
    const second = await lab.waitForService();
    const { processes } = await second.status();
    kills.push(await measure(prober, async () => process.kill(processes.sftpNode ?? 0, 'SIGKILL')));
    const third = await lab.waitForService();
    deaths.push(await measure(prober, () => third.die()));
    await third.comeBack();
  }
  await prober.stop();
  row('Holdfast: planned stop (SIGTERM)', stops);
  row('Holdfast: SFTP node killed', kills);
  row('Holdfast: host dead, lease 3 s', deaths);
}

/** Two hosts with sshd and keepalived; the higher priority comes back as backup (nopreempt). */
async function peer(): Promise<void> {
  if (!existsSync('/usr/sbin/keepalived') || !existsSync('/usr/sbin/sshd')) {
    process.stdout.write('keepalived + sshd: not measured (apt-get install keepalived openssh-server)\n');
    return;
  }
  await using lab = await Lab.create({ hosts: ['a', 'b'] });
  mkdirSync('/run/sshd', { recursive: true });
  for (const host of lab.hosts) await startPeer(lab, host);
  const prober = await lab.client.probe(lab.vipV4, 'root');
  const stops: number[] = [];
  const deaths: number[] = [];
  for (let round = 0; round < Math.min(rounds, 3); round++) {
    const master = await masterOf(lab);
    stops.push(await measure(prober, () => stopKeepalived(master)));
    await master.network.signalAll('SIGKILL');
    await startPeer(lab, master);
    await delay(4000);
    const next = await masterOf(lab);
    deaths.push(await measure(prober, () => next.die()));
    await next.network.linkUp();
    await startPeer(lab, next);
    await delay(4000);
  }
  await prober.stop();
  row('keepalived + sshd: planned stop (SIGTERM)', stops);
  row('keepalived + sshd: host dead, advert_int 1', deaths);
}

async function masterOf(lab: Lab): Promise<LabHost> {
  return lab.wait('a master', async () => {
    for (const host of lab.hosts) if ((await host.network.addresses()).includes(lab.vipV4)) return host;
    return null;
  });
}

async function stopKeepalived(host: LabHost): Promise<void> {
  const { stdout } = await host.exec('cat', [join(host.folder, 'keepalived.pid')]);
  process.kill(Number(stdout), 'SIGTERM');
}

async function startPeer(lab: Lab, host: LabHost): Promise<void> {
  const file = (name: string) => join(host.folder, name);
  if (!existsSync(file('host_key')))
    await host.exec('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file('host_key')]);
  writeFileSync(
    file('sshd_config'),
    `Port ${lab.sftpPort}
HostKey ${file('host_key')}
AuthorizedKeysFile ${lab.client.keyFile}.pub
StrictModes no
PermitRootLogin yes
UsePAM no
MaxStartups 100:30:200
PidFile none
Subsystem sftp internal-sftp
`,
  );
  writeFileSync(
    file('keepalived.conf'),
    `global_defs {
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
`,
    { mode: 0o600 },
  );
  host.spawn('sshd.log', '/usr/sbin/sshd', ['-D', '-e', '-f', file('sshd_config')]);
  const pids = ['-p', file('keepalived.pid'), '-r', file('vrrp.pid')];
  host.spawn('keepalived.log', '/usr/sbin/keepalived', [
    '-n',
    '-P',
    '-l',
    '-f',
    file('keepalived.conf'),
    ...pids,
  ]);
}

process.stdout.write(`${'milliseconds without a login'.padEnd(44)}    min median    max\n`);
await holdfast();
await peer();
process.exit(0);
