/** Holdfast with a watchdog timer on a virtual machine: see scripts/try-watchdog. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';
import { makeLabFolder, removeLabFolder } from '../test/lab/leftovers.ts';
import { hostAddress, VirtualMachine } from '../test/lab/virtual-machine.ts';
import { waitFor } from '../test/lab/wait.ts';

const project = join(import.meta.dirname, '..');
const isEmulated = process.argv.includes('--emulate');
const ttlSeconds = isEmulated ? 12 : 3;
const sysfs = '/sys/class/watchdog/watchdog0';
const configFile = '/etc/holdfast/holdfast.yaml';
const leaderKey = '/holdfast/lab/leader';
/** An emulated machine takes its time. */
const patience = { limitMs: 240_000, everyMs: 500 };

/** Emulated, `ip` takes longer than Holdfast waits for it: then a command stands for what moves the address. */
function holdfastYaml({ mode = 'required', lease = `{ ttl: ${ttlSeconds}s }` } = {}): string {
  return `cluster: lab
node: { id: a }
etcd: { endpoints: [http://${hostAddress}:${etcdPort}] }
lease: ${lease}
vips: [{ address: 10.0.2.100/24, ${isEmulated ? 'command: /usr/bin/true, timeout: 5s' : 'interface: eth0'} }]
sftp: { port: 2022 }
replication: { address: 10.0.2.15 }
watchdog: { mode: ${mode} }
`;
}

const startedMs = performance.now();
function say(text: string): void {
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(0).padStart(4);
  process.stdout.write(`${seconds} s  ${text}\n`);
}

/** The block of docs/watchdog.md that begins with this comment: what it tells people to do is what is tried. */
function fromDocs(comment: string): string {
  const text = readFileSync(join(project, 'docs/watchdog.md'), 'utf8');
  const block = text.split('```\n').find((part) => part.startsWith(comment));
  if (block === undefined) throw new Error(`docs/watchdog.md has no block that begins with ${comment}`);
  return block;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port is free');
  return address.port;
}

async function install(root: string): Promise<void> {
  const write = (path: string, text: string) => {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  await execa(join(project, 'scripts/install'), ['--root', root]);
  write(configFile, holdfastYaml());
  write('etc/hostname', 'a\n');
  write('etc/udev/rules.d/60-holdfast-watchdog.rules', fromDocs('# /etc/udev'));
  write('etc/systemd/system/holdfast.service.d/override.conf', fromDocs('# systemctl edit'));
  // With the longer lease systemd would end a frozen supervisor before the timer resets the machine.
  if (isEmulated) write('etc/systemd/system/holdfast.service.d/slow.conf', '[Service]\nWatchdogSec=60\n');
  await execa('systemctl', ['--root', root, 'mask', 'etcd']);
}

/** Outside of the machine, so that the lease outlives it as it does with the members of other hosts. */
function startEtcd(peerPort: number) {
  const url = (port: number) => `http://127.0.0.1:${port}`;
  return execa(
    'etcd',
    [
      ...['--name', 'x', '--data-dir', join(folder, 'etcd')],
      ...['--listen-client-urls', url(etcdPort), '--advertise-client-urls', url(etcdPort)],
      ...['--listen-peer-urls', url(peerPort), '--initial-advertise-peer-urls', url(peerPort)],
      ...['--initial-cluster', `x=${url(peerPort)}`],
    ],
    { reject: false, stdio: 'ignore', cleanup: true },
  );
}

/** Resolves to when etcd ended the leadership, by `performance.now()`. */
async function leadershipEnds(): Promise<number> {
  const watch = execa('etcdctl', ['--endpoints', `127.0.0.1:${etcdPort}`, 'watch', leaderKey], {
    env: { ETCDCTL_API: '3' },
    reject: false,
    timeout: 60_000,
  });
  for await (const line of watch) {
    if (line !== 'DELETE') continue;
    const atMs = performance.now();
    watch.kill();
    return atMs;
  }
  throw new Error('etcd did not end the leadership');
}

async function setting(name: 'state' | 'timeout' | 'nowayout' | 'bootstatus'): Promise<string> {
  return (await machine.shell(`cat ${sysfs}/${name}`)).trim();
}

async function isLeading(): Promise<boolean> {
  return (await machine.shell('holdfast status')).includes('this host a: leading');
}

/** @throws when the machine is reset meanwhile */
async function withoutReset<Result>(what: string, work: () => Promise<Result>): Promise<Result> {
  const before = machine.resets.length;
  const result = await work();
  if (machine.resets.length > before) throw new Error(`the machine was reset: ${what}`);
  return result;
}

async function expectLeading(): Promise<void> {
  await withoutReset('before it led', () => waitFor('the host to lead', isLeading, patience));
}

/** @returns how long it took until the machine was reset, and from then until another host could have led, both in ms */
async function resetBy(script: string): Promise<{ afterMs: number; aheadMs: number }> {
  const ended = leadershipEnds();
  const before = machine.resets.length;
  const beganMs = performance.now();
  // A machine that crashes does not answer.
  machine.shell(script).catch(() => {});
  const resetMs = await waitFor('the reset', () => machine.resets[before], { limitMs: 30_000, everyMs: 10 });
  const endedMs = await ended;
  if (endedMs < resetMs)
    throw new Error(`another host could have led ${resetMs - endedMs} ms before the reset`);
  return { afterMs: Math.round(resetMs - beganMs), aheadMs: Math.round(endedMs - resetMs) };
}

async function restartWith(config: string, script: string): Promise<void> {
  await machine.shell('systemctl stop holdfast');
  await machine.shell(`cat >${configFile} <<'END'\n${config}END\n${script}\nsystemctl start holdfast`);
}

async function tryEverything(): Promise<void> {
  await machine.shell('systemctl enable --now holdfast');
  await expectLeading();
  say(`it leads; the timer is ${await setting('state')}, and set to ${await setting('timeout')} s`);
  await withoutReset('a minute while all is well', () => delay(60_000));
  say('a minute while all is well: no reset');

  await withoutReset('a stop of the service', async () => {
    await machine.shell('systemctl stop holdfast');
    say(`systemctl stop: the timer is ${await setting('state')}`);
    await delay(3000 * ttlSeconds);
    await machine.shell('systemctl start holdfast');
    await expectLeading();
  });
  say('no reset; it was started and leads again');

  await withoutReset('a supervisor that was killed', async () => {
    await machine.shell('systemctl kill -s KILL --kill-who=main holdfast');
    await waitFor('the timer to be stopped', async () => (await setting('state')) === 'inactive', patience);
    await expectLeading();
  });
  say('supervisor killed: its release stopped the timer, no reset; it leads again');

  for (const [what, script] of [
    ['supervisor frozen (SIGSTOP)', 'systemctl kill -s STOP --kill-who=main holdfast'],
    ['kernel crashed', 'echo c >/proc/sysrq-trigger'],
  ] as const) {
    const { afterMs, aheadMs } = await resetBy(script);
    say(`${what}: reset within ${afterMs} ms, ${aheadMs} ms before another host could have led`);
    await machine.answers();
    await expectLeading();
    say(`it has booted and leads again; the timer tells bootstatus ${await setting('bootstatus')}`);
  }

  const longLease = '{ ttl: 30s, renewEvery: 9s }';
  await withoutReset('a timer that was left at less', async () => {
    await restartWith(holdfastYaml({ lease: longLease }), 'wdctl --settimeout 2 /dev/watchdog');
    await expectLeading();
    await delay(30_000);
  });
  say(`a timer that was left at 2 s is set to ${await setting('timeout')} s for a lease of 30 s: no reset`);

  await withoutReset('a timer with nowayout', async () => {
    await restartWith(holdfastYaml(), 'modprobe -r i6300esb; modprobe i6300esb nowayout=1; udevadm settle');
    await waitFor(
      'the reason',
      async () => (await machine.shell('holdfast status')).includes('nowayout'),
      patience,
    );
    await delay(40_000);
    if (await isLeading()) throw new Error('it leads with a timer that cannot be stopped');
  });
  say(`nowayout, required: it does not lead; the timer is ${await setting('state')}, no reset`);

  await restartWith(holdfastYaml({ mode: 'automatic' }), 'modprobe -r i6300esb');
  await expectLeading();
  const warning = /watchdog warn: .*/.exec(await machine.shell('holdfast status'))?.[0];
  say(`no device, automatic: it leads, and warns: ${warning}`);

  await restartWith(holdfastYaml(), 'modprobe softdog; udevadm settle');
  await expectLeading();
  say(`softdog: it leads; the timer is ${await setting('state')}, and set to ${await setting('timeout')} s`);
  const { afterMs, aheadMs } = await resetBy('systemctl kill -s STOP --kill-who=main holdfast');
  say(`supervisor frozen: reset within ${afterMs} ms, ${aheadMs} ms before another host could have led`);
}

const etcdPort = await freePort();
const folder = makeLabFolder();
const machine = new VirtualMachine({ folder, sshPort: await freePort(), isEmulated });
const etcd = startEtcd(await freePort());
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));
try {
  say('making the disk of a virtual machine');
  await machine.create(install);
  say('booting it');
  await machine.boot();
  say('it has booted');
  await tryEverything();
} catch (error) {
  const journal = await machine.shell('journalctl -b -u holdfast -o cat -n 30 --no-pager').catch(() => '');
  process.stderr.write(`${journal}try-watchdog: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
} finally {
  await machine.remove();
  etcd.kill();
  await etcd;
  removeLabFolder(folder);
}
