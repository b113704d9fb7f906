/** The demo that the README promises: see scripts/demo. */
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { renderStatus } from '../supervisor/cli/render-status.ts';
import { monotonicMs } from '../test/lab/client.ts';
import type { LabHost } from '../test/lab/host.ts';
import { Lab } from '../test/lab/lab.ts';

const isTerminal = process.stdout.isTTY;
const startedMs = performance.now();

function say(text: string): void {
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1).padStart(5);
  process.stdout.write(`${seconds} s  ${text}\n`);
}

function step(title: string): void {
  process.stdout.write(isTerminal ? `\n\x1b[1m${title}\x1b[0m\n` : `\n${title}\n`);
}

async function showStatus(host: LabHost): Promise<void> {
  process.stdout.write(`\n${renderStatus(await host.status())}\n`);
}

/** A standby tells of itself every so often: until then `status` shows what it was a moment ago. */
async function allTold(lab: Lab, leader: LabHost): Promise<void> {
  await lab.wait('every host to tell that it may lead', async () =>
    (await leader.status()).hosts.every((host) => host.ineligible.length === 0),
  );
}

function sha256(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

/** Tells what the survivors write to their logs about the takeover, as it happens. */
function follow(hosts: readonly LabHost[]): () => void {
  const told = new Map(hosts.map((host) => [host, host.logLines().length]));
  const look = () => {
    for (const host of hosts) {
      const lines = host.logLines();
      for (const line of lines.slice(told.get(host))) {
        if ('to' in line || line.code === 'LEASE_LOST')
          say(`${host.name}: ${line.to ?? ''} (epoch ${line.epoch}): ${line.msg}`);
      }
      told.set(host, lines.length);
    }
  };
  const timer = setInterval(look, 20);
  return () => {
    clearInterval(timer);
    look();
  };
}

async function main(): Promise<void> {
  step('A cluster of three hosts');
  say('three network namespaces on a bridge, a client beside them; nothing else on this machine is touched');
  await using lab = await Lab.create();
  say('an etcd member and a Holdfast supervisor on each');
  const leader = await lab.start();
  await allTold(lab, leader);
  say(`${leader.name} leads, the others are in sync; clients connect to ${lab.vipV4} or ${lab.vipV6}`);
  await showStatus(leader);

  step('A partner uploads a file with OpenSSH sftp');
  const upload = join(lab.folder, 'invoice.bin');
  writeFileSync(upload, randomBytes(8 * 1024 * 1024));
  await lab.client.sftp(lab.vipV4, 'put invoice.bin\nls -l\n');
  say(`put invoice.bin: 8 MiB, sha256 ${sha256(upload).slice(0, 16)}..., host key pinned in known_hosts`);

  step(`${leader.name} dies: link down, every process killed`);
  const prober = await lab.client.probe(lab.vipV4);
  const survivors = lab.others(leader);
  const stopFollowing = follow(survivors);
  say('a prober tries a login every 20 ms');
  const diedAt = monotonicMs();
  await leader.die();
  say(`${leader.name} is dead, without having said good-bye; its lease at etcd still runs for up to 3 s`);
  const outage = await prober.outage(diedAt);
  stopFollowing();
  await prober.stop();
  const successor = await lab.waitForLeader(survivors);
  say(
    `${successor.name} serves. Outage: ${Math.round(outage.ms)} ms from the last login on ${leader.name} to the first on ${successor.name}`,
  );
  await showStatus(successor);

  step('The partner reads the file back, under the same address and host key');
  await lab.client.sftp(lab.vipV4, 'get invoice.bin back.bin\n');
  const same = sha256(join(lab.folder, 'back.bin')) === sha256(upload);
  if (!same) throw new Error('the file differs after the failover: please report this with the logs');
  say('get invoice.bin: the same bytes, and known_hosts raised no alarm');

  step(`${leader.name} comes back`);
  await leader.comeBack();
  await lab.waitForService();
  say(`${leader.name} caught up and is in sync again, as a standby`);

  step(`${successor.name} is stopped for maintenance (SIGTERM)`);
  const again = await lab.client.probe(lab.vipV4);
  const stopFollowingAgain = follow(lab.others(successor));
  const stoppedAt = monotonicMs();
  await successor.signalSupervisor('SIGTERM');
  const planned = await again.outage(stoppedAt);
  stopFollowingAgain();
  await again.stop();
  say(`handed over. Outage: ${Math.round(planned.ms)} ms`);
  successor.startSupervisor();
  await lab.waitForService();

  if (process.argv.includes('--keep')) await keep(lab);
  step('Done');
  say('the namespaces, processes and files of the demo are removed');
}

async function keep(lab: Lab): Promise<void> {
  step('The cluster goes on running. In another terminal, as root, from this folder:');
  const [host] = lab.hosts;
  const inside = (name: string) => `ip netns exec ${lab.host(name).network.namespace}`;
  const options = `-i ${lab.client.keyFile} -o UserKnownHostsFile=${lab.folder}/known_hosts`;
  process.stdout.write(`
  status     node_modules/.bin/node dist/holdfast.js status --watch -c ${host?.configFile}
  sftp       ip netns exec ${lab.client.network.namespace} sftp ${options} -P ${lab.sftpPort} alice@${lab.vipV4}
  logs       tail -f ${lab.folder}/*/holdfast.log
  addresses  ${inside('a')} ip -br addr
  stop       kill -TERM PID of a supervisor (in \`status --json\`: processes); start it again with
             ${inside('a')} node_modules/.bin/node dist/holdfast.js supervisor -c ${lab.host('a').configFile}
  crash      kill -9 the same; freeze: kill -STOP
`);
  const ended = new AbortController();
  process.once('SIGINT', () => ended.abort());
  const input = createInterface({ input: process.stdin, output: process.stdout });
  await Promise.race([
    input.question('\nPress Enter (or Ctrl-C) to end. ', { signal: ended.signal }),
    delay(24 * 3600 * 1000, undefined, { signal: ended.signal }),
  ]).catch(() => {});
  input.close();
}

try {
  await main();
  process.exit(0);
} catch (error) {
  process.stderr.write(`\ndemo: ${error instanceof Error ? error.message : String(error)}\n`);
  process.stderr.write(
    'demo: everything it made was removed; run it again, and report this if it fails again\n',
  );
  process.exit(1);
}
