import assert from 'node:assert/strict';
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { LabHost } from '../../lab/host.ts';
import { Lab } from '../../lab/lab.ts';

/** Each fault is on one host, and the cluster goes on without it (G7). */
describe('what is wrong on one host', { timeout: 300_000 }, () => {
  let lab: Lab;
  before(async () => {
    lab = await Lab.create();
    await lab.start();
  });
  after(() => lab.dispose());

  function codes(host: LabHost, since: number): unknown[] {
    return host
      .logLines()
      .slice(since)
      .map((line) => line.code)
      .filter(Boolean);
  }

  /** Stops the service everywhere but on one host, so that it is the only one that could lead. */
  async function leaveAlone(): Promise<LabHost> {
    await lab.waitForService();
    const [alone, ...others] = lab.hosts;
    for (const host of others) await host.signalSupervisor('SIGTERM');
    const host = alone ?? assert.fail();
    await lab.waitForLeader([host]);
    return host;
  }

  async function everybodyBack(): Promise<void> {
    for (const host of lab.hosts) if (!host.supervisorIsRunning) host.startSupervisor();
    await lab.waitForService();
  }

  it('a stranger on the virtual IP: VIP_IN_USE with its MAC, no crash loop, and service when it is gone', async () => {
    const host = await leaveAlone();
    await host.signalSupervisor('SIGTERM');
    const { network } = lab.client;
    await network.ip('addr', 'add', `${lab.vipV4}/24`, 'dev', 'eth0');
    const since = host.logLines().length;
    host.startSupervisor();
    const told = await lab.wait('VIP_IN_USE', async () =>
      host
        .logLines()
        .slice(since)
        .find((line) => line.code === 'VIP_IN_USE'),
    );
    const [link] = JSON.parse(await network.ip('-j', 'link', 'show', 'dev', 'eth0'));
    assert.match(String(told.msg), new RegExp(`${lab.vipV4}.*${link.address}`));
    await delay(4000);
    const steps = host.logLines().slice(since);
    const tries = steps.filter(({ code, to }) => code === 'VIP_IN_USE' && to === 'stepping-down').length;
    assert.ok(tries <= 4, `${tries} promotions in 4 s`);
    assert.ok(!(await host.network.addresses()).includes(lab.vipV4));
    await network.ip('addr', 'del', `${lab.vipV4}/24`, 'dev', 'eth0');
    await lab.waitForLeader([host]);
    await everybodyBack();
  });

  it('an interface that is not there: INTERFACE_MISSING, ineligible, and the others serve', async () => {
    const leader = await lab.waitForService();
    const [standby] = lab.others(leader);
    const host = standby ?? assert.fail();
    const config = readFileSync(host.configFile, 'utf8');
    await host.signalSupervisor('SIGTERM');
    writeFileSync(host.configFile, config.replaceAll('interface: eth0', 'interface: eth7'));
    host.startSupervisor();
    await lab.wait('the reason in status', async () =>
      (await host.status()).ineligible.some(({ code }) => code === 'INTERFACE_MISSING'),
    );
    assert.equal((await leader.status()).phase, 'leading');
    await host.signalSupervisor('SIGTERM');
    writeFileSync(host.configFile, config);
    await everybodyBack();
  });

  it('a host key that others can read: HOST_KEY_PERMISSIONS, and the last good one is served', async () => {
    const leader = await lab.waitForService();
    const folder = join(leader.configRoot, 'host_keys');
    const key = readdirSync(folder).find((name) => name.endsWith('_key')) ?? assert.fail();
    const since = leader.logLines().length;
    chmodSync(join(folder, key), 0o644);
    const { processes } = await leader.status();
    process.kill(processes.sftpNode ?? assert.fail(), 'SIGKILL');
    await lab.wait('the same host to serve again', async () => {
      const status = await leader.status();
      const { sftpNode } = status.processes;
      return status.phase === 'leading' && sftpNode !== null && sftpNode !== processes.sftpNode;
    });
    assert.ok(codes(leader, since).includes('HOST_KEY_PERMISSIONS'));
    chmodSync(join(folder, key), 0o600);
    await everybodyBack();
  });

  it('a broken users.yaml: the users read before stay in force', async () => {
    const leader = await lab.waitForService();
    const file = join(leader.configRoot, 'users.yaml');
    const good = readFileSync(file, 'utf8');
    const since = leader.logLines().length;
    writeFileSync(file, 'users:\n  - nmae: alice\n');
    await lab.wait('USERS_INVALID', async () => codes(leader, since).includes('USERS_INVALID'));
    await lab.client.sftp(lab.vipV4, 'pwd\n');
    writeFileSync(file, good);
    await lab.waitForService();
  });

  it('the port in use on a standby: PORT_IN_USE before it is needed, and another host takes over', async () => {
    const leader = await lab.waitForService();
    const [blocked = assert.fail(), successor = assert.fail()] = lab.others(leader);
    const program = `require('net').createServer().listen(${lab.sftpPort}, '::')`;
    const squatter = blocked.spawn('squatter.log', process.execPath, ['-e', program]);
    await lab.wait('the reason in status', async () =>
      (await blocked.status()).ineligible.some(({ code }) => code === 'PORT_IN_USE'),
    );
    await leader.signalSupervisor('SIGTERM');
    await lab.waitForLeader([successor]);
    squatter.kill('SIGKILL');
    await squatter;
    await everybodyBack();
    await lab.wait('the host to be fit', async () => (await blocked.status()).ineligible.length === 0);
  });

  it('a configuration with a mistake: the supervisor says all that is wrong and does not start', async () => {
    const leader = await lab.waitForService();
    const host = lab.others(leader)[0] ?? assert.fail();
    await host.signalSupervisor('SIGTERM');
    const config = readFileSync(host.configFile, 'utf8');
    writeFileSync(host.configFile, `${config}\nlaese: {}\n`);
    host.startSupervisor();
    await lab.wait('the supervisor to end', async () => !host.supervisorIsRunning);
    assert.match(host.log(), /CONFIG_INVALID[\s\S]*laese is not a setting; did you mean "lease"\?/);
    writeFileSync(host.configFile, config);
    await everybodyBack();
  });

  it('foreign values in etcd: reported by key, never fatal', async () => {
    const leader = await lab.waitForService();
    await leader.etcdctl('put', '/holdfast/lab/nodes/z', 'garbage');
    await lab.wait('the problem in status', async () =>
      (await leader.status()).problems.some(({ key }) => key === '/holdfast/lab/nodes/z'),
    );
    assert.equal((await leader.status()).phase, 'leading');
    await leader.etcdctl('del', '/holdfast/lab/nodes/z');
  });

  it('leaves no lease file behind after a planned stop', async () => {
    const leader = await lab.waitForService();
    await leader.signalSupervisor('SIGTERM');
    assert.equal(existsSync(join(leader.runFolder, 'running.json')), false);
    rmSync(join(leader.runFolder, 'control.sock'), { force: true });
    await everybodyBack();
  });
});
